"""Score a program by an OpenEvolve evaluator: `python solution/openevolve_run.py solution/initial_program.py SEED`.

Frozen; made by `aster init`. The evaluator runs the program in this process or in ones of its own, so everything that
is printed here, the metrics at the end too, is the candidate's word.
"""

import dataclasses
import importlib.util
import math
import numbers
import os
import random
import sys
import types

EVALUATOR = "evaluator.py"


@dataclasses.dataclass
class EvaluationResult:
    """Stands in for openevolve's own where that is not installed: metrics, and artifacts that are not used here."""

    metrics: dict
    artifacts: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def from_dict(cls, metrics):
        return cls(metrics)

    def to_dict(self):
        return self.metrics


def stand_in() -> None:
    """Let `from openevolve.evaluation_result import EvaluationResult` work without openevolve."""
    if importlib.util.find_spec("openevolve") is not None:
        return
    package, module = types.ModuleType("openevolve"), types.ModuleType("openevolve.evaluation_result")
    package.__path__ = []
    package.EvaluationResult = module.EvaluationResult = EvaluationResult
    package.evaluation_result = module
    sys.modules.update({"openevolve": package, "openevolve.evaluation_result": module})


def seed_everything(seed: int) -> None:
    """Seed the generators that this process shares; one that a program makes for itself is not reached."""
    random.seed(seed)
    if importlib.util.find_spec("numpy") is not None:
        import numpy

        numpy.random.seed(seed)


def load_evaluator(folder: str):
    """Return the evaluator's function, loaded as OpenEvolve loads it."""
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location("evaluation_module", os.path.join(folder, EVALUATOR))
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluation_module"] = module
    spec.loader.exec_module(module)
    return module.evaluate


def metrics_of(result) -> dict:
    """Return the metrics in what an evaluator returned; end the run if it says that the program failed."""
    metrics = result if isinstance(result, dict) else getattr(result, "metrics", None)
    if isinstance(metrics, dict) and isinstance(metrics.get("metrics"), dict):
        metrics = metrics["metrics"]
    if not isinstance(metrics, dict):
        sys.exit(f"the evaluator returned no metrics but {type(result).__name__}")
    error = metrics.get("error")
    if metrics.get("timeout") is True or (isinstance(error, str) and error.strip()):
        sys.exit(f"the evaluator says: {error or 'timeout'}")  # OpenEvolve would score it 0; a failure has no score
    return metrics


def report(metrics: dict) -> None:
    """Print each number on a line of its own; flags and texts are no scores."""
    for name, value in metrics.items():
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            number = float(value)
            print(f"{name}: {number!r}" if math.isfinite(number) else f"{name}: nan")


if __name__ == "__main__":
    here = os.path.dirname(os.path.realpath(__file__))
    program = os.path.realpath(sys.argv[1])
    os.chdir(here)
    stand_in()
    seed_everything(int(sys.argv[2]))
    found = metrics_of(load_evaluator(here)(program))
    print(flush=True)
    report(found)
    sys.stdout.flush()
    os._exit(0)  # threads that the evaluator gave up on would keep the process alive
