"""All that can be done to a VM, in the order of the menu."""

from __future__ import annotations

from kvtui.joins.machine import Machine
from kvtui.resources.base import Action
from kvtui.resources.vm_access import ACCESS
from kvtui.resources.vm_changes import CHANGES
from kvtui.resources.vm_credentials import CREDENTIALS
from kvtui.resources.vm_disks import DISKS
from kvtui.resources.vm_guest import GUEST
from kvtui.resources.vm_lifecycle import LIFECYCLE
from kvtui.resources.vm_moves import MOVES
from kvtui.resources.vm_networks import NETWORKS
from kvtui.resources.vm_removal import REMOVAL
from kvtui.resources.vm_revert import REVERT

ACTIONS: tuple[Action[Machine], ...] = (
    *LIFECYCLE,
    *GUEST,
    *MOVES,
    *CHANGES,
    *DISKS,
    *NETWORKS,
    *ACCESS,
    *CREDENTIALS,
    *REVERT,
    *REMOVAL,
)
