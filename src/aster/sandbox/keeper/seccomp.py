"""A filter of system calls: those that a candidate has no honest use for fail with "Operation not permitted".

The program is classic BPF, as the kernel's seccomp(2) describes it. Only the calls named here are refused, because a
list of what numeric code may need would break with every new library; the walls are what hides and holds.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable, Mapping

_LOAD, _JUMP_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag that clone and unshare share
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # put words into a terminal's mouth
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2

# Numbers of x86_64 and of the generic table (aarch64, riscv64); from the kernel's syscall tables.
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "io_setup": (206, 0),  # its contexts are counted for the whole machine
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
_SHARED_MEMORY: dict[str, tuple[int | None, int | None]] = {
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "semget": (64, 190),
    "shmget": (29, 194),
    "ioprio_set": (251, 30),
    "mq_unlink": (241, 181),
    "msgctl": (71, 187),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "semctl": (66, 191),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "shmat": (30, 196),
    "shmctl": (31, 195),
}
# Landlock does not look at these, and devices are shared with bubblewrap: they reach what is not the candidate's.
_ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "chown": (92, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "file_setattr": (469, 469),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "futimesat": (261, None),
    "lchown": (94, None),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "removexattrat": (466, 466),
    "setxattr": (188, 5),
    "setxattrat": (463, 463),
    "utime": (132, None),
    "utimensat": (280, 88),
    "utimes": (235, None),
}
_SOCKET, _CLONE, _CLONE3, _IOCTL, _PRLIMIT = (41, 198), (56, 220), (435, 435), (16, 29), (302, 261)
_AFFINITY, _SCHEDULER, _PRIORITY = (203, 122), (144, 119), (141, 140)
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1), "riscv64": (0xC00000F3, 1)}
_SETSID, _SETPGID = (112, 157), (109, 154)
_X32 = 0x40000000
_FCNTL, _SETLEASE, _NOTIFY = (72, 25), 1024, 1026  # a lease on a shared file stalls whoever opens it
_CONNECT, _LOCAL, _PACKETS, _AND = (42, 203), 1, 5, 0x54
_SOCKETPAIR, _DATAGRAM = (53, 199), 2
_SET_ATTRIBUTES, _SET_PARAMETERS = (314, 274), (142, 118)
_FAMILIES = (1, 2, 10, 16)  # of this machine, IPv4, IPv6, netlink: what a network namespace has of its own


def supported() -> bool:
    """Whether this processor's table of calls is known."""
    return platform.machine() in _ARCHITECTURES


def program(*, sockets: bool, listeners: bool = False, attributes: bool = True) -> bytes:
    """Return the filter for this machine, b"" for a processor whose calls are not known.

    Args:
        sockets: whether sockets, shared memory by name, and other processes' limits may be had: true where
            namespaces make these the candidate's own.
        listeners: without sockets, allow those that wait for others on this machine, but not to connect: NVIDIA's
            driver does not start without one.
        attributes: whether a file's mode, owner and times may be changed. If not, such calls do nothing and say that
            they did: programs that copy files make them, and seldom need them.
    """
    if not supported():
        return b""
    audit, column = _ARCHITECTURES[platform.machine()]
    refused: Mapping[str, tuple[int | None, int | None]] = _CALLS if sockets else {**_CALLS, **_SHARED_MEMORY}
    rules = _native(audit, column)
    for number in _numbers(refused, column):
        rules += [_jump(_JUMP_EQUAL, number, 0, 1), _NO]
    for number in [] if attributes else _numbers(_ATTRIBUTES, column):
        rules += [_jump(_JUMP_EQUAL, number, 0, 1), _return(_REFUSE | 0)]
    # clone3 hides its flags in memory: told that it does not exist, libraries take clone.
    rules += [_jump(_JUMP_EQUAL, _CLONE3[column], 0, 1), _return(_REFUSE | errno.ENOSYS)]
    rules += _argument(_CLONE[column], 0, _JUMP_ANY_BIT, [_NEW_NAMESPACES])
    rules += _argument(_IOCTL[column], 1, _JUMP_EQUAL, [_TIOCSTI, _TIOCLINUX])
    rules += _argument(_FCNTL[column], 1, _JUMP_EQUAL, [_SETLEASE, _NOTIFY])
    if sockets:
        rules += _sockets(column, _FAMILIES)
    else:
        rules += _listeners(column) if listeners else [_jump(_JUMP_EQUAL, _SOCKET[column], 0, 1), _NO]
        rules += _argument(_SOCKETPAIR[column], 1, _JUMP_ANY_BIT, [_DATAGRAM])
        for call in (_PRLIMIT, _AFFINITY, _SCHEDULER, _SET_ATTRIBUTES, _SET_PARAMETERS):
            rules += _only_zero(call[column], [0])
        rules += _only_zero(_PRIORITY[column], [0, 1])
    return b"".join([*rules, _return(_ALLOW)])


def no_sessions() -> bytes:
    """Return a filter that refuses new sessions and process groups, b"" for a processor whose calls are not known.

    What stays in one process group can be killed in one step, however fast it forks.
    """
    if not supported():
        return b""
    audit, column = _ARCHITECTURES[platform.machine()]
    refused = [rule for call in (_SETSID, _SETPGID) for rule in (_jump(_JUMP_EQUAL, call[column], 0, 1), _NO)]
    return b"".join([*_native(audit, column), *refused, _return(_ALLOW)])


def descriptor(rules: bytes) -> int:
    """Return a descriptor of a file in memory that holds `rules`, at its beginning."""
    fd = os.memfd_create("filter")
    os.write(fd, rules)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def enter(rules: bytes) -> None:
    """Put the calling thread under `rules` for ever, which also means that it gains no new privileges.

    Raises:
        OSError: the kernel refuses.
    """

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("rules", ctypes.c_char_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    whole = Program(len(rules) // 8, rules)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(whole), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter of system calls is refused")


def _native(audit: int, column: int) -> list[bytes]:
    """Return rules that load a call's number, and kill who calls by the numbers of another architecture."""
    rules = [_load(_ARCHITECTURE), _jump(_JUMP_EQUAL, audit, 1, 0), _return(_KILL), _load(_NUMBER)]
    return rules if column else [*rules, _jump(_JUMP_ANY_BIT, _X32, 0, 1), _return(_KILL)]


def _numbers(calls: Mapping[str, tuple[int | None, int | None]], column: int) -> list[int]:
    return sorted(number for numbers in calls.values() if (number := numbers[column]) is not None)


def _listeners(column: int) -> list[bytes]:
    """Return rules that refuse to connect, and every socket but sequenced packets on this machine."""
    body = [
        _load(_ARGUMENTS),
        _jump(_JUMP_EQUAL, _LOCAL, 1, 0),
        _NO,
        _load(_ARGUMENTS + 8),
        struct.pack("=HBBI", _AND, 0, 0, 0xF),
        _jump(_JUMP_EQUAL, _PACKETS, 1, 0),
        _NO,
        _load(_NUMBER),
    ]
    refused = [_jump(_JUMP_EQUAL, _CONNECT[column], 0, 1), _NO]
    return [*refused, _jump(_JUMP_EQUAL, _SOCKET[column], 0, len(body)), *body]


def _argument(call: int, index: int, test: int, values: Iterable[int]) -> list[bytes]:
    """Return rules that refuse `call` if the low half of an argument passes `test` with one of `values`."""
    tests = [rule for value in values for rule in (_jump(test, value, 0, 1), _NO)]
    body = [_load(_ARGUMENTS + 8 * index), *tests, _load(_NUMBER)]
    return [_jump(_JUMP_EQUAL, call, 0, len(body)), *body]


def _only_zero(call: int, indices: Iterable[int]) -> list[bytes]:
    """Return rules that refuse `call` unless these arguments are 0: the calling process itself."""
    tests = [rule for at in indices for rule in (_load(_ARGUMENTS + 8 * at), _jump(_JUMP_EQUAL, 0, 1, 0), _NO)]
    body = [*tests, _load(_NUMBER)]
    return [_jump(_JUMP_EQUAL, call, 0, len(body)), *body]


def _sockets(column: int, families: tuple[int, ...]) -> list[bytes]:
    """Return rules that refuse sockets of other families."""
    known = [_jump(_JUMP_EQUAL, family, len(families) - at, 0) for at, family in enumerate(families)]
    body = [_load(_ARGUMENTS), *known, _NO, _load(_NUMBER)]
    return [_jump(_JUMP_EQUAL, _SOCKET[column], 0, len(body)), *body]


def _load(offset: int) -> bytes:
    return struct.pack("=HBBI", _LOAD, 0, 0, offset)


def _jump(test: int, value: int, then: int, otherwise: int) -> bytes:
    return struct.pack("=HBBI", test, then, otherwise, value)


def _return(action: int) -> bytes:
    return struct.pack("=HBBI", _RETURN, 0, 0, action)


_NO = _return(_REFUSE | errno.EPERM)
