import os
from tests.overlay.test_which import *
from tests.overlay.named import *
from tests.overlay.capabilities import LACKING, drop
from tests.overlay.child import told
def test_zz(lab, mapper):
    with writable("tmp", lab, mapper) as scene:
        scene.mount("")
        scene.start()
        live(scene)
        for obs in ("no SYS_ADMIN","no DAC"):
            found = told(lambda: answers(scene, list(NAMES), LACKING[obs]))
            print("\n==", obs)
            for n in NAMES:
                a=exact(found[n]); print(n, "|", told_as(a), "|", a["confidence"], a["backing"] and a["backing"]["layer"]["role"], a["reason"], a["needs"])
