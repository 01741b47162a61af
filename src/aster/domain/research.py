"""The nouns of research by language models, as frozen records.

Money is US dollars; tokens are counted as the provider bills them. An *agent* is one conversation with a model: a
planner, worker or subagent carries out an assignment, and a critic is asked by a planner or a worker. An agent's id is
its assignment's, a critic's that with ".critic" behind it; its calls are numbered from 1.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Role = Literal["planner", "worker", "critic", "subagent"]
ROLES: tuple[Role, ...] = ("planner", "worker", "critic", "subagent")

Ending = Literal["done", "spent", "failed", "cancelled"]
"""How an assignment ended: with a result; out of its allowance or the campaign's; by the provider's or the model's
doing; because the campaign ended."""


class Price(Struct, frozen=True):
    """Dollars per million tokens. Cached input without a price of its own costs what other input does."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None

    def of(self, tokens: Tokens) -> float:
        """Return the dollars that tokens cost."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        fresh = max(0, tokens.input - tokens.cache_read - tokens.cache_write)
        total = fresh * self.input + tokens.cache_read * read + tokens.cache_write * write + tokens.output * self.output
        return total / 1e6

    def most(self, input_tokens: int, output_tokens: int) -> float:
        """Return the most that a call can cost: all of its input at the dearest rate for input, all output used."""
        dearest = max(self.input, self.cache_read or 0.0, self.cache_write or 0.0)
        return (input_tokens * dearest + output_tokens * self.output) / 1e6


class Tokens(Struct, frozen=True):
    """What a call used. `input` includes what was read from and written to the provider's cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output


class ModelChoice(Struct, frozen=True):
    """A model that a campaign may ask.

    Attributes:
        name: "PROVIDER:NAME", such as "openai:gpt-5-mini".
        price: what its calls are charged at; None: they have no price, and only tokens bound them.
        roles: who may use it; empty: every role that no other model names.
        weight: how likely it is drawn beside others, before anything is known of them.
        base_url: of an OpenAI-compatible server; "": the provider's own.
    """

    name: str
    price: Price | None = None
    roles: tuple[Role, ...] = ()
    weight: float = 1.0
    base_url: str = ""


class Allowance(Struct, frozen=True):
    """What an assignment may spend: model calls, tokens, experiments, dollars (None: the campaign's ceiling alone)."""

    requests: int
    tokens: int
    experiments: int = 0
    usd: float | None = None


class Assignment(Struct, frozen=True):
    """What an agent is to do.

    Attributes:
        id: "a-" and a hash.
        model: the name of the model that does it.
        instructions: blob of the role's prompt, filled in: what is the same for all of the role's agents.
        brief: blob of what this agent is told of the campaign, as text.
        direction: the worker's, or the one that the subagent works in.
        hypothesis: the subagent's.
        parent: the candidate that a subagent starts from; `other`: one whose change it is to bring in too.
        search_left: about how many experiments the campaign had left for search, beyond what others had asked for;
            None: no limit says, or it was not noted.
        best: the best candidate when a planner was asked; None for others, or if it was not noted.
    """

    id: str
    role: Role
    model: str
    allowance: Allowance
    instructions: str
    brief: str
    direction: str | None = None
    hypothesis: str | None = None
    parent: str | None = None
    other: str | None = None
    search_left: int | None = None
    best: str | None = None


class Draft(Struct, frozen=True):
    """A hypothesis as a model proposes it.

    Attributes:
        change: in a few words.
        text: what is claimed and why, and how it would be carried out.
        predicts: the gain that is expected, in the metric's units; None: not said.
        parent: the candidate to start from; None: the best that is known.
        advice: what the critic that let it through would have its subagent look at; "" where it has none.
    """

    change: str
    text: str
    predicts: float | None = None
    parent: str | None = None
    advice: str = ""


class DirectionDraft(Struct, frozen=True):
    """A direction as the planner proposes it.

    Attributes:
        surface: a name; one of the problem's surfaces where it has some.
        paths: what belongs to the surface: "FILE" or "FILE::DEFINITION", editable; empty: as the problem says, or all.
        success: what would count as success. `novelty`: what sets it apart from what was tried.
        expected: the gain that is expected, in the metric's units; None: not said.
        experiments: about how many it will take.
        drafts: its first hypotheses.
    """

    surface: str
    rationale: str
    paths: tuple[str, ...] = ()
    success: str = ""
    novelty: str = ""
    expected: float | None = None
    experiments: int | None = None
    drafts: tuple[Draft, ...] = ()


class Combination(Struct, frozen=True):
    """Two candidates of different directions whose changes may add up."""

    first: str
    second: str
    why: str


VetoKind = Literal["veto", "later", "merge"]
"""Why a draft gets no experiment: it should not be tried; not before something else is there; another is the same."""


class Veto(Struct, frozen=True):
    """A draft that does not get an experiment.

    Attributes:
        by: "critic", or "history" where it was tried before.
        kind: see `VetoKind`. What is for later may be proposed again.
        same: the hypothesis that it is the same as, where it is known; else "".
        surface: of the direction that it was to be opened with; "" where the direction was there already.
    """

    draft: Draft
    by: str
    reason: str
    kind: VetoKind = "veto"
    same: str = ""
    surface: str = ""


class Plan(Struct, frozen=True, tag=True):
    """What the planner hands back. Directions are named by id.

    Attributes:
        fund: how much a direction is to get relative to 1, for those that are to get more or less.
        retire: direction -> why. `merge`: (direction that ends, direction that takes over its hypotheses).
        vetoed: first hypotheses of `open` that were turned down, and are not among them any more.
        done: why nothing more is worth trying, so that the planner need not be asked again; "" where something is.
    """

    open: tuple[DirectionDraft, ...] = ()
    fund: dict[str, float] = {}
    retire: dict[str, str] = {}
    merge: tuple[tuple[str, str], ...] = ()
    combine: tuple[Combination, ...] = ()
    note: str = ""
    vetoed: tuple[Veto, ...] = ()
    done: str = ""


class Handoff(Struct, frozen=True, tag=True):
    """What a worker hands back: what its direction did and learnt, what is doubtful, and what to try next.

    `retire`: why the direction should end; "" where it should go on.
    """

    done: str
    learnt: str
    concerns: str
    drafts: tuple[Draft, ...] = ()
    vetoed: tuple[Veto, ...] = ()
    retire: str = ""


class Note(Struct, frozen=True, tag=True):
    """What a subagent hands back, and what its siblings are told.

    Attributes:
        text: what was learnt, in words and numbers.
        evidence: the experiments that it rests on.
        dead_end: whether it says that something does not work, and should not be tried again as it was.
        unbacked: numbers in the text that no experiment in evidence, nor what they were compared with, gave: they are
            marked, and kept out of briefs.
        concerns: what the next one should look at.
        logged: numbers in the text or the concerns that only a log shows: others are told so.
        estimates: numbers in the concerns that are said to be guesses: others are told so.
    """

    text: str
    evidence: tuple[str, ...] = ()
    dead_end: bool = False
    unbacked: tuple[str, ...] = ()
    concerns: str = ""
    logged: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()


Result = Plan | Handoff | Note


class Ask(Struct, frozen=True):
    """An agent asks for an experiment on a tree that it made.

    Attributes:
        id: "ASSIGNMENT.NUMBER".
        candidate: the tree's id; `tree`: its blob, as in a candidate's record; `traits`: as there.
        parent: the candidate that it was made from, and is compared with.
        change: in a few words. `text`: what it is to show.
        quick: only the problem's cheap stages are to run, as a check without a score.
        diagnosis: it is only to learn something from: never a parent, an elite or a champion.
        again: the candidate was measured before, and is to be measured on a further search seed.
    """

    id: str
    assignment: str
    candidate: str
    tree: str
    parent: str
    change: str
    text: str = ""
    traits: tuple[float, ...] = ()
    quick: bool = False
    diagnosis: bool = False
    again: bool = False


WaitCause = Literal["limit", "room", "pause", "breaker"]
"""What calls wait for: a provider's limits; room below a ceiling; the end of a pause after a failure, or of one that
the provider asked for; a model that is left alone after many failures."""

WAIT_CAUSES: tuple[WaitCause, ...] = ("limit", "room", "pause", "breaker")


class Waiting(Struct, frozen=True):
    """Agents whose calls wait for the same.

    Attributes:
        model: its name; "" where they wait for room, which all models share.
        agents: how many. `longest_s`: how long the first of them has waited.
        why: for what, in words.
    """

    model: str
    agents: int
    longest_s: float
    why: str
    cause: WaitCause = "limit"


class Call(Struct, frozen=True):
    """One try at a model call, before it is made.

    Attributes:
        id: "AGENT/TURN/TRY", both numbers from 1.
        usd, tokens: the most that it can cost, by the model's price.
        request: head of the chain of messages that it sends: a blob (see `aster.llm.chain`).
        waited: seconds that it waited before it was made, by cause; what was no wait worth telling is left out.
    """

    id: str
    agent: str
    model: str
    usd: float
    tokens: int
    request: str
    waited: dict[WaitCause, float] = {}


CallStatus = Literal["answered", "refused", "unknown"]
"""Refused: the provider said no, and charges nothing. Unknown: it was cut off or timed out, and is charged in full."""


class Settled(Struct, frozen=True):
    """What a try at a model call came to.

    Attributes:
        usd: what is charged for it, never more than was reserved. `tokens`: as reported.
        over_usd: what the provider's report comes to beyond what was reserved; above 0 it is cut off.
        response: head of the chain with the answer; None unless it was answered.
        error: what was wrong, in a sentence, without secrets.
        seconds: from the request to the end of the answer.
        opened: its failure opened the breaker, so that the model is left alone for a while.
    """

    call: str
    status: CallStatus
    usd: float
    tokens: Tokens
    over_usd: float = 0.0
    response: str | None = None
    error: str = ""
    seconds: float = 0.0
    opened: bool = False


class Effect(Struct, frozen=True):
    """What an idea was measured to gain on what it builds on, in the objective's units; positive is better.

    Attributes:
        low, high: the interval of the gain; both equal it where the metric is exact.
        level: confidence of the interval, 0 to 1; 1 where the metric is exact.
        pairs: of measurements, the idea's and what it was compared with.
        hardware: the kinds that it was measured on.
        campaign: which one measured it.
    """

    gain: float
    low: float
    high: float
    level: float
    pairs: int
    hardware: str = ""
    campaign: str = ""
