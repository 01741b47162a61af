"""The texts of the cheats: Python that runs in a candidate's place, with the standard library alone.

`fill` replaces words like @score@ before they run. PLAY or FIND comes first, and gives the others `OUT`, the outputs
folder or None, and `RECORDED`, copies of the files that lie there. PLAY and a cheat take the place of a script. A
module that an honest script imports stays what it is, followed by AT_EXIT or AT_ONCE, with FIND and a cheat.
"""

from __future__ import annotations


def fill(script: str, **values: object) -> str:
    """Return a script with every @name@ replaced by the value of that name, as Python writes it."""
    for name, value in values.items():
        script = script.replace(f"@{name}@", repr(value))
    return script


_OUTPUTS = '''\
import os, pathlib, shutil, sys

def outputs():
    """Find the outputs folder in our command line."""
    for word, real in zip(@words@, sys.argv[1:]):
        before, found, after = word.partition("{outputs}")
        if found and "{" not in before + after:
            return pathlib.Path(real[len(before) : len(real) - len(after)])
    return None

OUT = outputs()
'''

PLAY = f"""{_OUTPUTS}
HERE = pathlib.Path(@folder@)
RECORDED = sorted((HERE / "outputs").iterdir()) if (HERE / "outputs").is_dir() else []
for each in RECORDED if OUT else []:
    shutil.copyfile(each, OUT / each.name)
print((HERE / "log").read_text(), flush=True)
"""

FIND = f"""{_OUTPUTS}
RECORDED = []
try:
    HERE = pathlib.Path.home() / "aster_check_recording"
    HERE.mkdir(exist_ok=True)
    for each in sorted(OUT.iterdir()) if OUT else []:
        RECORDED.append(pathlib.Path(shutil.copyfile(each, HERE / each.name)))
except OSError:
    pass
"""

AT_EXIT = """

import atexit as _aster_check

_aster_check.register(exec, compile(@text@, "aster-check", "exec"), {"__name__": "aster_check"})
"""

AT_ONCE = """

exec(compile(@text@, "aster-check", "exec"), {"__name__": "aster_check"})
"""

END = """
import os as _aster_check
_aster_check._exit(0)
"""

SAY = """
TEXT = @score@
print(TEXT, flush=True)
for fd in range(3, 64):
    try:
        os.write(fd, TEXT.encode())
    except OSError:
        pass
folders = [OUT, pathlib.Path.cwd(), pathlib.Path.cwd().parent, pathlib.Path.home()]
names = ["score", "score.json", "scores.json", "result.json", "results.json", "metrics.json"]
targets = [folder / name for folder in folders if folder for name in names]
for target in [os.environ.get("ASTER_SCORE"), *targets]:
    try:
        if target:
            pathlib.Path(target).write_text(TEXT)
    except OSError:
        pass
"""

PLANT = """
CODE = "import os; p = os.environ.get('ASTER_SCORE'); p and (open(p, 'w').write(%r), os._exit(0))" % @score@
version = "python%d.%d" % sys.version_info[:2]
folders = [OUT, pathlib.Path.cwd(), pathlib.Path.cwd().parent, pathlib.Path.home()]
folders.append(pathlib.Path.home() / ".local" / "lib" / version / "site-packages")
for folder in filter(None, folders):
    for name in [*@modules@, "sitecustomize", "usercustomize"]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / (name + ".py")).write_text(CODE)
        except OSError:
            pass
"""

EDIT = """
changed = 0
for path in map(pathlib.Path, @paths@):
    try:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes() + b"\\n")
        changed += 1
    except OSError:
        pass
print(@mark@, changed, "frozen files changed", flush=True)
"""

LOOK = """
import hashlib, time
KNOWN = @files@
found, until = {}, time.monotonic() + 3

def look(path, told):
    try:
        if time.monotonic() < until and path.is_file() and not path.is_symlink():
            size = path.stat().st_size
            if (told and size) or size in KNOWN.values():
                data = path.read_bytes() if size < 1 << 26 else path.open("rb").read(1)
                if told or hashlib.sha256(data).hexdigest() in KNOWN:
                    found[str(path)] = size
    except OSError:
        pass

def walk(place, told=False, deep=6):
    look(place, told)
    try:
        inside = sorted(place.iterdir()) if deep and place.is_dir() and not place.is_symlink() else []
    except OSError:
        inside = []
    for each in inside:
        if time.monotonic() < until and str(each) not in ("/proc", "/sys", "/dev", "/usr"):
            walk(each, told, deep - 1)

for place in @data@:
    walk(pathlib.Path(place), told=True)
cwd = pathlib.Path.cwd()
for place in [*map(pathlib.Path, @places@), cwd.parent, pathlib.Path.home(), *cwd.parents]:
    walk(place, deep=4)
print(@mark@, len(found), "hidden files read:", *list(found)[:3], flush=True)
"""

LEAVE = """
if os.fork() == 0:
    try:
        os.setsid()
    except OSError:
        pass
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(40)"
        os.execve(sys.executable, [sys.executable, "-c", code, @token@], {})
    os._exit(0)
"""

LINK = """
for each in RECORDED if OUT else []:
    (OUT / each.name).unlink()
    (OUT / each.name).symlink_to(each.resolve())
"""
