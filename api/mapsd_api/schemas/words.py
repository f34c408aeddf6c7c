"""The closed lists of words. See docs/states.md, docs/proofs.md and docs/glossary.md."""

from typing import Literal

State = Literal["current", "copied-up", "replaced", "deleted", "covered", "detached", "unreachable", "unknown"]
OpenState = Literal["current", "replaced", "deleted", "covered", "detached", "unreachable", "unknown"]
Proof = Literal["kernel-inode", "bpf", "page-frame", "build-id", "sole-candidate", "lookup", "none"]
OpenProof = Literal["kernel-inode", "bpf", "page-frame", "sole-candidate", "lookup", "none"]
NameProof = Literal["kernel-inode", "sole-candidate", "lookup", "none"]
Confidence = Literal["proven", "inferred", "unknown"]
Kind = Literal["file", "anonymous", "heap", "stack", "vdso", "vvar", "vsyscall", "memfd", "shm", "device", "other"]
OpenKind = Literal["file", "directory", "symlink", "device", "fifo", "socket", "pipe", "anon_inode", "memfd", "shm",
                   "other"]
EntryKind = Literal["file", "directory", "symlink", "whiteout", "device", "other"]
Role = Literal["upper", "lower", "data"]
Shows = Literal["backing-inode", "overlay-inode"]
Step = Literal["shown", "doubt", "mount", "name", "candidates", "proof", "verdict", "kind"]
What = Literal["opens", "metacopy", "merged", "whiteout", "passed", "blocked", "hidden", "unknown"]
NameWhat = Literal["visible", "metadata", "hidden", "unreachable", "unknown"]
HiderWhat = Literal["copied-up", "file", "directory", "whiteout", "opaque", "redirect", "blocked", "mount"]
PackageState = Literal["same", "differs", "unowned", "unknown"]
PackageKind = Literal["dpkg", "apk", "rpm", "python", "node"]
