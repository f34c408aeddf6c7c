"""Answers about anything, with names of any bytes: what a daemon could have found."""

from hypothesis import strategies as st

from mapsd.linux.capabilities import NUMBERS, Capabilities
from mapsd.linux.doctor import Diagnosis, Finding
from mapsd.model import (
    Absent,
    Answer,
    Backing,
    DeviceId,
    Evidence,
    FileFacts,
    Layer,
    Mount,
    ProcessAnswer,
    ProcessFacts,
    Refused,
    Skipped,
    Vma,
)
from mapsd.model.containers import Container, ImageLayer
from mapsd.model.layers import (
    Descent,
    Directory,
    LayerView,
    Link,
    Met,
    OverlayView,
    ProcessLayers,
    Switch,
    Way,
    Which,
    Winner,
)
from mapsd.model.open import DATA, FdInfo, OpenAnswer, OpenFile
from mapsd.model.packages import Brought, Distribution, Package
from mapsd.model.translated import Hider, Inside, Name, Numbered, OnHost, Translation, View
from mapsd.remote.decode import mappings, openfiles, translated
from mapsd.remote.decode import named as opened_by
from mapsd.remote.decode.packages import KINDS
from mapsd.remote.decode.packages import STATES as STATES_OF_PACKAGES
from mapsd.views.render import CONFIDENCE
from tests.cli.answers import NAMES, STATES

maybe = st.none().__or__


def built(kind, *parts, **named):
    """Return a strategy of values whose other fields keep their defaults."""
    def make(*fields, **more):
        return kind(*fields, **more)
    return st.builds(make, *parts, **named)


names = NAMES
texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=12)
needs = st.lists(st.sampled_from(list(NUMBERS)), unique=True, max_size=2)
numbers = st.integers(0, (1 << 64) - 1)
devices = built(DeviceId, st.integers(0, 4095), st.integers(0, 1 << 20))
moments = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
mounts = built(Mount, st.integers(0, 9), st.integers(0, 9), devices, names, names, names, names)
evidence = st.lists(built(Evidence, texts, texts), max_size=3).map(tuple)
skipped = st.lists(built(Skipped, texts, texts, st.just("") | texts), max_size=2).map(tuple)
processes = built(ProcessFacts, st.integers(1, 1 << 22), numbers, names, st.integers(0, (1 << 32) - 2),
                      maybe(names), maybe(numbers), maybe(names))
roles = st.sampled_from(["upper", "lower", "data"])


packages = built(Package, st.sampled_from(KINDS), texts, texts, maybe(texts), maybe(built(
    Distribution, texts, maybe(texts))), maybe(texts)) | built(
    Package, st.sampled_from(KINDS), texts, texts, maybe(texts), st.none(), texts, maybe(texts))
broughts = built(Brought, st.sampled_from(STATES_OF_PACKAGES), maybe(packages), maybe(names), maybe(
    st.integers(1, 300)), maybe(texts), needs.map(tuple))
of_images = built(ImageLayer, st.integers(1, 200), maybe(texts), maybe(texts), names, maybe(texts))
containers = built(Container, *(maybe(texts),) * 8, reason=maybe(texts))


def files_of(**more):
    return built(Backing, maybe(names), maybe(devices), maybe(numbers), maybe(names.filter(bool)), **more)


layer = {"overlaid": st.just(True), "layer_role": maybe(roles), "layer_index": maybe(st.integers(0, 300)),
         "layer_path": maybe(names), "image_layer": maybe(of_images)}
flat = files_of() | files_of(**layer)
backings = flat | files_of(**layer, through=st.lists(flat, max_size=2).map(tuple), metadata=maybe(flat))
vmas = built(Vma, st.integers(0, 1 << 48).map(lambda page: page * 4096), st.integers(1, 1 << 48).map(
    lambda page: page * 4096), st.sampled_from(["r--p", "rwxs", "---p"]), numbers, devices, numbers, names)
paths = (maybe(names),) * 3
answers = built(
    Answer, vmas, st.just("file"), *paths, maybe(mounts), maybe(backings), st.sampled_from(STATES),
    st.sampled_from(list(CONFIDENCE)), evidence, maybe(texts), needs.map(tuple), maybe(st.binary(min_size=1,
                                                                                                 max_size=20)),
) | built(Answer, vmas, st.sampled_from([kind for kind in mappings.KINDS if kind != "file"]))
shown = processes, texts, st.sampled_from([None, "backing-inode", "overlay-inode"]), moments
process_answers = built(
    ProcessAnswer, *shown, st.lists(answers, max_size=4).map(tuple), skipped, maybe(containers),
) | built(
    ProcessAnswer, *shown, st.lists(st.builds(lambda one, package: one._replace(package=package), answers,
                                              maybe(broughts)), min_size=1, max_size=4).map(tuple),
    skipped, maybe(containers), packages=st.just(True))

infos = built(FdInfo, st.integers(-1, 1 << 62), st.integers(0, 1 << 30), st.integers(0, 99), maybe(numbers))
open_files = built(
    OpenFile, st.sampled_from(["exe", "cwd", "root"]), st.sampled_from(sorted(DATA)), maybe(names), maybe(devices),
    maybe(numbers), st.none(), *paths, maybe(mounts), maybe(backings), st.sampled_from(STATES),
    st.sampled_from(list(CONFIDENCE)), evidence, maybe(texts), needs.map(tuple),
) | built(OpenFile, st.integers(0, 1 << 20).map(str), st.sampled_from(sorted(openfiles.KINDS - DATA)),
              maybe(names), maybe(devices), maybe(numbers), infos, *paths, maybe(mounts), st.none(),
              maybe(st.sampled_from(STATES)))
open_answers = built(OpenAnswer, processes, texts, moments, st.lists(open_files, max_size=4).map(tuple), skipped,
                     maybe(containers))

directories = built(Directory, maybe(names), maybe(names), devices, numbers, maybe(names.filter(bool)))
switches = built(Switch, texts, maybe(st.just("") | texts), st.booleans(), maybe(texts))


def overlays_of(layers):
    worked = built(OverlayView, mounts, maybe(st.booleans()), st.lists(switches, max_size=3).map(tuple), names,
                       maybe(directories), st.lists(layers, max_size=3).map(tuple))
    return worked | worked.map(lambda one: one._replace(work=None, work_directory=None))


def layers_of(inner):
    return built(LayerView, roles, st.integers(0, 300), names, maybe(directories), maybe(st.booleans()),
                     st.booleans(), st.just("") | texts, needs.map(",".join), inner, maybe(of_images))


overlays = overlays_of(layers_of(maybe(overlays_of(layers_of(st.none())))))
process_layers = built(ProcessLayers, processes, texts, moments, st.lists(overlays, max_size=2).map(tuple),
                           st.lists(mounts, max_size=2).map(tuple), skipped, maybe(containers))


def facts(kinds, **marks):
    attributes = st.fixed_dictionaries({}, optional=marks).map(lambda found: tuple(found.items()))
    return built(FileFacts, kinds, devices, numbers, st.just(1), numbers, st.just(20), st.none(), names, attributes)


kinds = st.sampled_from(opened_by.KINDS)
seen = facts(kinds, opaque=st.sampled_from([b"y", b"x"]), redirect=names, metacopy=st.just(b""))
placed = built(Layer, roles, st.integers(0, 300), names, st.none(), st.booleans())


@st.composite
def met(draw):
    """Return what was met on a way, of which some hides what comes later."""
    found = draw(st.lists(built(
        Met, placed, names, seen | built(Refused, texts), st.sampled_from(opened_by.WHATS), st.booleans(), st.none(),
        st.just("") | texts, needs.map(",".join), maybe(files_of()), maybe(of_images)), max_size=4))
    return tuple(one._replace(by=draw(maybe(st.integers(0, place - 1)))) if place else one
                 for place, one in enumerate(found))


descents = st.lists(built(Descent, mounts, names, st.just(True), met()), max_size=2).map(tuple)
links = st.lists(built(Link, names, names), max_size=2).map(tuple)
winners = built(Winner, maybe(backings), st.sampled_from(list(CONFIDENCE)), evidence, maybe(texts),
                    needs.map(tuple))
common = processes, texts, moments, names.map(lambda name: b"/" + name)
found_names = built(Which, *common, built(Way, names, facts(kinds), st.just(b""), links), maybe(mounts),
                        maybe(names), maybe(names), winners, descents, skipped, maybe(containers))
lost_names = built(
    Which, *common, built(Way, names, st.just(Absent()) | built(Refused, texts), names, links), maybe(mounts),
    maybe(names), maybe(names), st.none(), descents, skipped, maybe(containers))
whiches = found_names | lost_names

paths = names.map(lambda name: b"/" + name)
hiders = built(Hider, st.sampled_from(translated.HIDERS), maybe(placed), st.just(b"") | names, maybe(mounts))
files_names = st.lists(built(
    Name, files_of(), maybe(placed), st.just(b"") | names, maybe(paths), maybe(paths), maybe(mounts),
    st.sampled_from(translated.WHATS), maybe(hiders), maybe(backings), st.sampled_from(["", *CONFIDENCE]), evidence,
    st.just("") | texts, needs.map(tuple)), max_size=3).map(tuple)
pids = st.lists(st.integers(1, 1 << 22), min_size=1, max_size=3, unique=True).map(tuple)
views = st.lists(built(View, processes, st.just("6.18"), st.just(1.0), pids, files_names, skipped,
                       container=maybe(containers)), max_size=3)
wanteds = built(OnHost, paths) | built(Inside, paths) | built(Numbered, devices, numbers)
translations = built(Translation, wanteds, texts, moments, views.map(tuple))

findings = st.lists(built(Finding, texts, maybe(st.booleans()), texts, needs.map(tuple), st.just("") | texts),
                    max_size=3).map(tuple)
diagnoses = built(
    Diagnosis, texts, st.sampled_from([None, "overlay-inode"]),
    built(Capabilities, st.lists(st.sampled_from(list(NUMBERS)), unique=True).map(tuple), st.booleans()),
    findings, findings)


def open_answer() -> OpenAnswer:
    """Return an answer about a file, a pipe and a socket."""
    here = DeviceId(8, 1)
    mount = Mount(1, 0, here, b"/", b"/", b"ext4", b"")
    file = OpenFile("exe", "file", b"/bin/cat", here, 7, None, b"/bin/cat", b"/bin/cat", b"/proc/1/root/bin/cat", mount,
                    Backing(b"/bin/cat", here, 7, b"ext4"), "current", "kernel-inode")
    info = FdInfo(0, 0o100002, 9, 12)
    pipe = OpenFile("0", "pipe", b"pipe:[12]", DeviceId(0, 15), 12, info)
    named = OpenFile("1", "socket", b"socket:[13]", DeviceId(0, 8), 13, info, state="unknown", reason="why",
                     needs=("CAP_SYS_PTRACE",))
    return OpenAnswer(ProcessFacts(1, 2, b"cat", 0, b"/bin/cat", 3, b"/"), "6.18", 1.0, (file, pipe, named),
                      (Skipped("9", "it was closed", ""),))


def diagnosis() -> Diagnosis:
    """Return what was found of a machine."""
    works = Finding("lookup", True, "names are compared", (), "")
    lacks = Finding("page-frame", False, "pagemap shows none", ("CAP_SYS_ADMIN",), "run as root")
    return Diagnosis("6.18", "overlay-inode", Capabilities(("CAP_BPF",), initial=True), (works, lacks), (lacks,))
