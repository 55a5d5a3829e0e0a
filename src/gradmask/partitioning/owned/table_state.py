"""Tables of groups in a state dict.

The plain name holds the sum (what a plain model computes with), and two kinds of extra entries hold the summands, for a
bit-for-bit resume: ``<module>.gradmask_shared`` and ``<module>.table_<group>…`` (`table_kinds`).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from gradmask.partitioning.kernel.merged import read_only_sum
from gradmask.partitioning.owned.base import owned
from gradmask.partitioning.owned.table_kinds import table_names
from gradmask.partitioning.owned.tables import REMEDY, SHARED, merged_table, tabled_modules


def _entries(module: nn.Module) -> list[str]:
    return [name for names in table_names(module).values() for name in names]


def write_sums(model: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    """State-dict hook: the plain name gets the sum; the shared table moves to a name of its own."""
    sums: dict[int, Tensor] = {}
    for name, module in tabled_modules(model):
        shared = module._parameters["weight"]
        assert shared is not None
        if id(shared) in sums:  # tied to a module before it: the summands are written once
            for entry in _entries(module):
                del state[f"{prefix}{name}.{entry}"]
        else:
            whole = read_only_sum(merged_table(module), f"{name}.weight", REMEDY)
            sums[id(shared)] = owned(module).gradmask_context.stored(whole)
            state[f"{prefix}{name}.{SHARED}"] = shared.detach()
        state[f"{prefix}{name}.weight"] = sums[id(shared)]


def read_sums(model: nn.Module, state: dict[str, Any], prefix: str, *args: Any) -> None:
    """Load hook, the reverse of `write_sums`; of tied modules, the entries of the first that has them all."""
    error_msgs: list[str] = args[-1]
    summands: dict[int, dict[str, Any]] = {}
    modules = list(tabled_modules(model))
    for name, module in modules:
        keys = [SHARED, *_entries(module)]
        entries = {key: state.get(f"{prefix}{name}.{key}") for key in keys}
        if all(value is not None for value in entries.values()):
            summands.setdefault(id(module._parameters["weight"]), entries)
    for name, module in modules:
        entries = summands.get(id(module._parameters["weight"]))
        if entries is None:
            error_msgs.append(
                f"{name}: groups of this model own tables ({', '.join(table_names(module))}), but the state dict has only a merged "
                "table; load a checkpoint that gradmask saved, or load the plain weights first and partition afterwards"
            )
            continue
        # load_state_dict reads the shared table under its plain name, where the file has the sum
        state.pop(f"{prefix}{name}.{SHARED}", None)
        state[f"{prefix}{name}.weight"] = entries[SHARED]
        state.update({f"{prefix}{name}.{key}": value for key, value in entries.items() if key != SHARED})
