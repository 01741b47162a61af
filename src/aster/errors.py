"""The errors of Aster, drawn as a tree.

    AsterError
    ├── UserError                 what the user can mend; the command line exits with 2, without a traceback
    │   ├── ProblemError          a problem folder is broken: names the file, the key and the mend
    │   ├── InitError             a problem folder that `aster init` cannot make: nothing was written
    │   ├── BudgetError           a budget that cannot hold one honest campaign, or no budget at all
    │   ├── CampaignNotFound      no such campaign here
    │   ├── CampaignBusy          another process is running this campaign
    │   └── BaselineError         the unchanged solution does not measure: nothing can be compared with it
    └── SystemTrouble             what the machine did to us; nothing recorded is lost, resume when it is mended
        ├── StoreError            the ledger cannot be read or written (disk full, read-only, damaged)
        │   ├── LedgerDamaged     (aster.ledger) the file is not what was written; no resume goes on from it
    │   ├── BlobMissing       (aster.ledger) the ledger names a blob that it does not hold
        │   └── StaleTerm         a newer term of the campaign exists: this process must stop deciding
        └── ExecutorError         attempts cannot be started or watched

A bug in Aster is none of these: it shows its traceback.
"""

from __future__ import annotations


class AsterError(Exception):
    """Root of all errors that Aster raises on purpose."""


class UserError(AsterError):
    """Something that the user can mend; its text says what to do."""


class ProblemError(UserError):
    """A problem folder that cannot be used.

    Args:
        where: the file, as the user would name it.
        key: the key in the file, or "" where the whole file is meant.
        trouble: what is wrong and how to mend it, one sentence or two.
    """

    def __init__(self, where: str, key: str, trouble: str) -> None:
        self.where, self.key, self.trouble = where, key, trouble
        super().__init__(f"{where}: {key}: {trouble}" if key else f"{where}: {trouble}")


class InitError(UserError):
    """A problem folder cannot be made as asked; nothing was written."""


class BudgetError(UserError):
    """A budget that is missing, or too small for a baseline, one search experiment and one claim."""


class CampaignNotFound(UserError):
    """No campaign of that id in the campaigns folder."""


class CampaignBusy(UserError):
    """Another process holds this campaign."""


class BaselineError(UserError):
    """The unchanged solution failed, so the campaign has nothing to compare with."""


class SystemTrouble(AsterError):
    """The machine failed us; what was recorded stays recorded."""


class StoreError(SystemTrouble):
    """The ledger cannot be read or written."""


class StaleTerm(StoreError):
    """A newer term of this campaign has begun; this decider's appends are refused."""


class ExecutorError(SystemTrouble):
    """Attempts cannot be started or watched."""
