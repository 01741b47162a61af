"""An audit's folder: two figures and a page that needs nothing but itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aster.audit.figures import forest, running
from aster.audit.summary import Summary, chance_text, gain_text, headline, noise_source, sentences, spelled, warning
from aster.errors import UserError
from aster.report.canvas import png, svg
from aster.report.document import data_uri
from aster.report.wording import clean, number

if TYPE_CHECKING:
    from jinja2 import Environment


def write_audit(view: Summary, folder: Path) -> list[Path]:
    """Write audit.html, running.png and, if anything was kept, gains.png into `folder`; return their paths.

    Raises:
        UserError: the folder cannot be written.
    """
    figures = {"running": running(view)} | ({"gains": forest(view)} if view.audit.steps else {})
    files = {f"{name}.png": png(figure) for name, figure in figures.items()}
    files["audit.html"] = render(view, {name: svg(figure) for name, figure in figures.items()}).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}. Choose another folder: --out DIR.") from None
    return [folder / name for name in files]


def render(view: Summary, figures: dict[str, bytes]) -> str:
    """Return the page as HTML, with the figures, given as SVG, inside."""
    return (
        _environment()
        .get_template("audit.html.j2")
        .render(
            v=view, a=view.audit, places=view.places_of_values, headline=headline(view), sentences=sentences(view),
            warning=warning(view.audit.noise), noise=noise_source(view.audit.noise),
            figures={name: data_uri("image/svg+xml", data) for name, data in figures.items()},
        )
    )  # fmt: skip


@cache
def _environment() -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("aster.audit"), PackageLoader("aster.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clean": clean, "number": number, "gain": gain_text, "chance": chance_text, "spelled": spelled,
    }  # fmt: skip
    return environment
