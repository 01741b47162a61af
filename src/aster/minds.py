"""Who thinks in a campaign: the researcher that is asked for, as the policies that decisions consult."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from aster.agents.protocol import Briefing
from aster.campaign.claims import Believes, no_model
from aster.campaign.decide import Minds
from aster.domain.ids import tree_id
from aster.domain.records import Candidate
from aster.domain.trees import unpack_tree
from aster.errors import ProblemError, UserError
from aster.planning.bandit import BanditPlanner
from aster.problems.problem import Problem
from aster.problems.troubles import raise_troubles
from aster.proposers.compose import Conflict, compose
from aster.proposers.idea_proposer import IdeaProposer
from aster.proposers.ideas import load_ideas
from aster.proposers.library import Idea, IdeaLibrary, KnobSpec
from aster.proposers.protocol import Proposer
from aster.proposers.settings import with_settings
from aster.proposers.several import Several
from aster.proposers.surfaces import NEW_CODE, SurfaceMap
from aster.proposers.tunables import check_marks
from aster.proposers.tuner import Tuner, constants_of
from aster.setup import RESEARCHERS

GetBlob = Callable[[str], bytes]


def choose_researcher(problem: Problem, asked: str | None, with_models: bool = False) -> str:
    """Return who writes a campaign's candidates: whoever is asked for, else ideas if there are any, else the tuner.

    With models it is agents by default, beside them ideas if there are any, and the tuner if it has constants.

    Raises:
        UserError: there is no such researcher, it has nothing to vary in this problem, or only one of agents and a
            model for them is asked for.
    """
    asked = in_order(asked) if isinstance(asked, str) else asked
    if asked is not None and asked not in RESEARCHERS:
        raise UserError(f"There is no researcher {asked!r}; choose one of: {', '.join(RESEARCHERS)}.")
    _check_agents(asked, with_models)
    library = load_ideas(problem.idea_files, problem.solution_files, problem.editable)
    able = ["ideas"] if library else []
    able += ["agents"] if with_models else []
    if "tuner" in asked.split("+") if asked is not None else with_models or not library:
        raise_troubles(check_marks(problem.editable_files))
        written = asked is not None and "agents" in asked.split("+")  # agents may write constants where there are none
        able += ["tuner"] if written or tuned_surfaces(problem, library) else []
    wanted = asked.split("+") if asked is not None else able or ["ideas", "tuner"]
    missing = [each for each in wanted if each not in able]
    if missing:
        raise ProblemError(problem.source, "", f"nothing to vary: {'; and '.join(map(_LACKS.__getitem__, missing))}")
    return "+".join(wanted)


def in_order(asked: str) -> str:
    """Return a choice such as "tuner,ideas" as `RESEARCHERS` spells it; one that is none of these as it is."""
    parts = {part.strip() for part in asked.replace(",", "+").split("+")}
    return next((each for each in RESEARCHERS if set(each.split("+")) == parts), asked)


def _check_agents(asked: str | None, with_models: bool) -> None:
    """Refuse agents without a model, and a model without agents."""
    wanted = asked is not None and "agents" in asked.split("+")
    if wanted and not with_models:
        raise UserError("The researcher `agents` needs a language model: give --model PROVIDER:NAME.")
    if with_models and asked is not None and not wanted:
        raise UserError(
            f"--model is for agents, and --researcher {asked} has none; ask for agents+tuner, or leave it out."
        )


_LACKS = {
    "ideas": "it has no ideas; write one in ideas/",
    "tuner": (
        "no editable Python file has a constant to tune; name one in capitals (`RATE = 0.1`), or mark it with a "
        "comment (`# tune: 1e-4..1e-1 log`)"
    ),
}


def make_minds(problem: Problem, researcher: str, get_blob: GetBlob) -> Minds:
    """Return the policies of a campaign.

    Args:
        researcher: as `choose_researcher` returned it.
        get_blob: returns a blob of the campaign, for candidates that are made neither of ideas nor by tuning.
    """
    library = load_ideas(problem.idea_files, problem.solution_files, problem.editable)
    frozen = frozenset(problem.frozen_solution_files)
    with_agents = "agents" in researcher.split("+")
    parts: list[Proposer] = []
    believes: Believes = no_model
    if "ideas" in researcher.split("+"):
        parts.append(IdeaProposer(library, frozen))
    if "tuner" in researcher.split("+"):
        trees = Trees(problem.editable_files, library, frozen, get_blob)
        surfaces = tuned_surfaces(problem, library) | (dict.fromkeys([NEW_CODE]) if with_agents else {})
        tuner = Tuner(trees.of, surface_map(problem), surfaces, trees.knobs_of)
        parts.append(tuner)
        believes = tuner.believed
    proposer = parts[0] if len(parts) == 1 else Several(parts)
    briefing = make_briefing(problem, library, get_blob) if with_agents else None
    written = frozenset([NEW_CODE]) if with_agents and NEW_CODE not in tuned_surfaces(problem, library) else frozenset()
    planner = BanditPlanner(proposer.surfaces(), written)
    return Minds(planner, proposer, problem.editable_files, believes, briefing)


def make_briefing(problem: Problem, library: IdeaLibrary, get_blob: GetBlob) -> Briefing:
    """Return what agents of a campaign are told."""
    from aster.agents.briefing import CampaignBriefing, IdeaLine  # late: most campaigns have no agents

    def line(idea: Idea) -> IdeaLine:
        return IdeaLine(idea.name, idea.surface, idea.title, idea.predicts, idea.requires, idea.effect)

    ideas = [line(idea) for idea in library.values()]
    return CampaignBriefing(problem, lambda candidate: unpack_tree(candidate.tree, get_blob), ideas)


def surface_map(problem: Problem) -> SurfaceMap:
    """Return how a problem names the surfaces of its constants."""
    solution = problem.spec.solution
    return SurfaceMap(solution.root, solution.surfaces)


def tuned_constants(problem: Problem, library: IdeaLibrary) -> dict[str, int]:
    """Return how many constants each surface has, in the solution as it is or as one of its ideas makes it."""
    surfaces = surface_map(problem)
    trees: list[tuple[Mapping[str, bytes], tuple[KnobSpec, ...]]] = [(problem.editable_files, ())]
    for idea in library.values():
        patched = {path: text.encode("utf-8") for path, text in idea.patched.items()}
        trees.append(({**problem.editable_files, **patched} if idea.knobs else patched, idea.knobs))
    names = {constant.name for files, knobs in trees for constant in constants_of(files, knobs)}
    own = {surfaces.of(*_split(constant.name)) for constant in constants_of(problem.editable_files)}
    found = Counter(surface if (surface := surfaces.of(*_split(name))) in own else NEW_CODE for name in names)
    return dict(sorted(found.items()))


def tuned_surfaces(problem: Problem, library: IdeaLibrary) -> dict[str, None]:
    """Return the surfaces that have constants; the tuner predicts no gain there."""
    return dict.fromkeys(tuned_constants(problem, library))


def _split(name: str) -> tuple[str, str]:
    path, _, qualified = name.partition("::")
    return path, qualified


class Trees:
    """Where the editable files of untuned candidates come from: they are made again, or read where they cannot be."""

    def __init__(
        self, baseline: Mapping[str, bytes], library: IdeaLibrary, frozen: frozenset[str], get_blob: GetBlob
    ) -> None:
        self._baseline, self._library, self._frozen, self._get_blob = baseline, library, frozen, get_blob
        self._id = tree_id(baseline)

    def of(self, candidate: Candidate) -> Mapping[str, bytes]:
        """Return the editable files of an untuned candidate."""
        if candidate.id == self._id:
            return self._baseline
        if not (candidate.recipe or candidate.settings):
            return unpack_tree(candidate.tree, self._get_blob)
        made = compose(self._library, candidate.recipe)
        assert not isinstance(made, Conflict), "it was composed when it was proposed"
        files = {path: data for path, data in made.files.items() if path not in self._frozen}
        return with_settings(files, candidate.settings)

    def knobs_of(self, candidate: Candidate) -> tuple[KnobSpec, ...]:
        """Return the constants for which the ideas in a candidate list values; the first idea's list stands."""
        ideas = [self._library[change.idea] for change in candidate.recipe]
        specs: dict[str, KnobSpec] = {}
        for spec in (spec for idea in ideas for spec in idea.knobs):
            specs.setdefault(spec.name, spec)
        return tuple(specs.values())
