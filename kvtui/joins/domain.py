"""A domain with its host and its job: what a row, a rule and a console look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from kvtui.joins.transit import INCOMING, join_transit
from kvtui.model import Ref
from kvtui.records.base import Record
from kvtui.records.kubernetes import Node
from kvtui.records.libvirt import Domain, DomainJob, DomainState, Host
from kvtui.store import View


@dataclass(frozen=True, slots=True)
class Guest:
    """A domain, the host that it is on, and what goes on with it."""

    backend: str
    domain: Domain
    host: Host | None = None
    job: DomainJob | None = None
    """The job that has not ended yet, with where it goes from and to as far as anybody knows."""
    nodes: tuple[str, ...] = ()
    """The nodes of clusters that run in it, as ``cluster/node``."""

    @property
    def ref(self) -> Ref:
        """Identity of the row."""
        return self.domain.ref(self.backend)

    @property
    def reachable(self) -> bool:
        """Whether what is known of it is of now."""
        return self.host is None or self.host.connected

    @property
    def paused(self) -> bool:
        """Whether its CPUs stand still."""
        return self.domain.state is DomainState.PAUSED

    @property
    def arriving(self) -> bool:
        """Whether it is not here yet: it is being received, and runs on the host that it leaves."""
        received = self.job is not None and self.job.operation == INCOMING
        return received or (self.paused and self.domain.reason in ("migrating", "starting up"))

    @property
    def moving(self) -> DomainJob | None:
        """The migration under way."""
        return self.job if self.job is not None and "migration" in self.job.operation else None


def join_guest(view: View, ref: Ref) -> Guest | None:
    """The domain that `ref` means, with what belongs to it; None when it is gone."""
    domain = view.find(Domain, ref)
    if domain is None:
        return None
    jobs = (
        replace(job, source=transit.source, target=transit.target)
        for at, job in view.linked(DomainJob, ref.backend, "domain", domain.metadata.uid)
        if not job.is_final and (transit := join_transit(view, at)) is not None
    )
    nodes = view.everywhere(Node, "uuid", domain.metadata.uid) if domain.metadata.uid else ()
    carried = tuple(f"{node.backend}/{node.name}" for node, _ in nodes)
    return Guest(ref.backend, domain, host_of(view, ref.backend), next(jobs, None), carried)


def host_of(view: View, backend: str) -> Host | None:
    """The host of a backend."""
    return next((host for _, host in view.items(Host, backend)), None)


def host_answers(view: View, backend: str) -> bool:
    """Whether what is known of the objects of a host is of now."""
    host = host_of(view, backend)
    return host is None or host.connected


def guests_of_host(view: View, ref: Ref, _record: Record) -> Iterator[Ref]:
    """For `related`: all domains of a host, when what is known of them becomes old or new."""
    for domain, _ in view.items(Domain, ref.backend):
        yield domain


def hosts_of_guest(view: View, ref: Ref, _domain: Domain) -> Iterator[Ref]:
    """For `related`: the host that a domain is on."""
    return (host for host, _ in view.items(Host, ref.backend))


def guests_of_job(view: View, _ref: Ref, job: DomainJob) -> Iterator[Ref]:
    """For `related`: the domain of a job, on both hosts of a migration."""
    for domain, _ in view.everywhere(Domain, "uuid", job.domain_uid):
        yield domain
