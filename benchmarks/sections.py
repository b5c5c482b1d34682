"""All sections and measures, in the order in which they run and appear."""

from benchmarks import (
    cases_exports,
    cases_fifo,
    cases_files,
    cases_growth,
    cases_made,
    cases_queue,
    cases_random,
    cases_sharing,
    cases_sparse,
    cases_streams,
    limits,
    many,
    maps,
    measures,
    small_views,
)
from benchmarks.cases import Section
from benchmarks.tables import Measure

SECTIONS: list[type[Section]] = [
    *cases_growth.SECTIONS,
    *cases_random.SECTIONS,
    *cases_fifo.SECTIONS,
    *cases_sparse.SECTIONS,
    *cases_files.SECTIONS,
    *cases_streams.SECTIONS,
    *cases_queue.SECTIONS,
    *cases_made.SECTIONS,
    *cases_sharing.SECTIONS,
    *cases_exports.SECTIONS,
]
MEASURES: list[type[Measure]] = [
    *limits.MEASURES,
    *measures.MEASURES,
    *many.MEASURES,
    *small_views.MEASURES,
    *maps.MEASURES,
]


def named(only: list[str]) -> tuple[list[type[Section]], list[type[Measure]]]:
    """The sections and measures with these names.  A word that is no name selects all names that
    begin with it.  If `only` is empty, return all."""
    exact = {one.name for one in (*SECTIONS, *MEASURES)}

    def asked(name: str) -> bool:
        matches = (name == word or (word not in exact and name.startswith(word)) for word in only)
        return not only or any(matches)

    sections = [section for section in SECTIONS if asked(section.name)]
    measures_ = [measure for measure in MEASURES if asked(measure.name)]
    return sections, measures_
