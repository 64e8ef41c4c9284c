"""The language in which activities are defined. Pure: no input, no output."""

from bizproc.definition.definition import Definition, Filter
from bizproc.definition.faults import DefinitionError, Fault

__all__ = ["Definition", "DefinitionError", "Fault", "Filter"]
