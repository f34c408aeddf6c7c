import collections, tests.overlay.test_which_oracle as t
C=collections.Counter()
old=t.wrong
def wrong(base,path,variant):
    import os
    truth=t.read(base/"m"/path)
    f=t.which(os.getpid(), os.fsencode(base/"m"/path))
    if truth is not None:
        w=f.winner
        C["known" if w and w.backing else "unknown "+str(w and w.reason)]+=1
        C["proof "+str(w and w.proof)]+=1
    if f.winner is None: C["missing, hidden"]+=any(m.what=="hidden" for d in f.descents for m in d.met); C["missing"]+=1
    if f.way.found.__class__.__name__=="FileFacts" and f.way.found.kind=="directory": C["dirs"]+=1; C["dirs unknown"]+= any(m.what=="unknown" for d in f.descents for m in d.met); C["dirs multi"]+= sum(m.what=="merged" for d in f.descents for m in d.met)>1
    return old(base,path,variant)
t.wrong=wrong
import pytest, sys
globals().update({k:v for k,v in vars(t).items() if k.startswith("test_") })
from tests.overlay.conftest import *
def test_zz(): print(C)
