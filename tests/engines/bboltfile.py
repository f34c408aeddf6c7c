"""Writes bbolt files from nested dictionaries, by the format's description alone: it shares no code with the reader."""

import struct

PAGE = 4096
MAGIC, VERSION = 0xED0CDAED, 2
BRANCH, LEAF, META, FREELIST, BUCKET = 1, 2, 4, 16, 1

Tree = dict  # of bytes to bytes or to another Tree


def fnv1a(data: bytes) -> int:
    value = 14695981039346656037
    for byte in data:
        value = ((value ^ byte) * 1099511628211) % (1 << 64)
    return value


class Writer:
    """One file: pages are added behind the two of the metadata and the one of the free list."""

    def __init__(self, order: str = "<", page: int = PAGE) -> None:
        self.order, self.size = order, page
        self.pages: dict[int, bytes] = {}
        self.end = 3

    def file(self, tree: Tree, transaction: int = 7) -> bytes:
        root = self.bucket(tree)
        free = struct.pack(self.order + "QHHI", 2, FREELIST, 0, 0)
        metas = [self.meta(number, root, transaction - 1 + number if transaction % 2 else transaction - number)
                 for number in (0, 1)]
        pages = {0: metas[0], 1: metas[1], 2: free, **self.pages}
        data = bytearray(self.end * self.size)
        for number, page in pages.items():
            data[number * self.size:number * self.size + len(page)] = page
        return bytes(data)

    def meta(self, number: int, root: int, transaction: int) -> bytes:
        body = struct.pack(self.order + "4I5Q", MAGIC, VERSION, self.size, 0, root, 0, 2, self.end, transaction)
        head = struct.pack(self.order + "QHHI", number, META, 0, 0)
        return head + body + struct.pack(self.order + "Q", fnv1a(body))

    def bucket(self, tree: Tree) -> int:
        """Write a bucket's pages and return the number of the first."""
        items = []
        for key, value in sorted(tree.items()):
            if isinstance(value, dict):
                items.append((BUCKET, key, self.value(value)))
            else:
                items.append((0, key, value))
        level = [(chunk[0][1] if chunk else b"", self.leaf(chunk)) for chunk in self.chunks(items)]
        while len(level) > 1:
            level = [(some[0][0], self.branch(some)) for some in
                     (level[start:start + 50] for start in range(0, len(level), 50))]
        return level[0][1]

    def value(self, tree: Tree) -> bytes:
        """Return a bucket as a value: small ones have their only page in it."""
        small = all(not isinstance(value, dict) for value in tree.values())
        body = self.leaf_bytes(0, [(0, key, value) for key, value in sorted(tree.items())]) if small else b""
        if small and len(body) <= self.size // 4:
            return struct.pack(self.order + "QQ", 0, 0) + body
        return struct.pack(self.order + "QQ", self.bucket(tree), 0)

    def chunks(self, items: list) -> list[list]:
        chunks: list[list] = [[]]
        used = 16
        for item in items:
            need = 16 + len(item[1]) + len(item[2])
            if chunks[-1] and used + need > self.size:
                chunks.append([])
                used = 16
            chunks[-1].append(item)
            used += need
        return chunks

    def leaf(self, items: list) -> int:
        return self.add(lambda number: self.leaf_bytes(number, items))

    def leaf_bytes(self, number: int, items: list) -> bytes:
        heads, body, start = b"", b"", 16 * len(items)
        for place, (flags, key, value) in enumerate(items):
            heads += struct.pack(self.order + "4I", flags, start + len(body) - 16 * place, len(key), len(value))
            body += key + value
        return self.page(number, LEAF, len(items), heads + body)

    def branch(self, children: list[tuple[bytes, int]]) -> int:
        def made(number: int) -> bytes:
            heads, body, start = b"", b"", 16 * len(children)
            for place, (key, child) in enumerate(children):
                heads += struct.pack(self.order + "IIQ", start + len(body) - 16 * place, len(key), child)
                body += key
            return self.page(number, BRANCH, len(children), heads + body)
        return self.add(made)

    def page(self, number: int, flags: int, count: int, body: bytes) -> bytes:
        over = (16 + len(body) - 1) // self.size
        return struct.pack(self.order + "QHHI", number, flags, count, over) + body

    def add(self, make) -> int:
        number = self.end
        made = make(number)
        self.pages[number] = made
        self.end += (len(made) - 1) // self.size + 1
        return number


def written(tree: Tree, order: str = "<", page: int = PAGE, transaction: int = 7) -> bytes:
    return Writer(order, page).file(tree, transaction)
