"""Who may do what in the demo cluster: its users with their tokens, RBAC, and rights taken away at run time."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from kvtui.demo.paths import Target
from kvtui.demo.roles import AUTHENTICATED, CLUSTER_ADMIN, EDIT, VIEW, Rule
from kvtui.demo.storage import Object, StorageError

_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
"""Paths that system:public-info-viewer opens to everyone."""
_DISCOVERY = ("/api", "/apis", "/openapi")
_NON_RESOURCE_RULES: list[Object] = [
    {
        "verbs": ["get"],
        "nonResourceURLs": [*_PUBLIC, *_DISCOVERY, *(f"{path}/*" for path in _DISCOVERY)],
    },
    {"verbs": ["get"], "nonResourceURLs": list(_PUBLIC)},
]


@dataclass(slots=True)
class Account:
    """A user of the cluster."""

    name: str
    groups: tuple[str, ...]
    rules: tuple[Rule, ...]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    granted: list[Rule] = field(default_factory=list)
    revoked: list[Rule] = field(default_factory=list)

    @property
    def is_cluster_admin(self) -> bool:
        """Whether nothing was kept from this user when the cluster began."""
        return self.rules == CLUSTER_ADMIN

    def allows(self, verb: str, group: str, resource: str) -> bool:
        """Whether the user may do `verb` on `resource` (``pods`` or ``pods/log``)."""
        if any(rule.allows(verb, group, resource) for rule in self.granted):
            return True
        if any(rule.allows(verb, group, resource) for rule in self.revoked):
            return False
        return any(rule.allows(verb, group, resource) for rule in self.rules)


ANONYMOUS = Account("system:anonymous", ("system:unauthenticated",), ())


def _account(name: str, rules: tuple[Rule, ...], *groups: str) -> Account:
    return Account(f"demo-{name}", (*groups, "system:authenticated"), rules)


class Access:
    """The users and their rights. A request is first authenticated, then authorized."""

    def __init__(self) -> None:
        """Make the users ``admin``, ``edit``, ``view`` and ``none`` with fresh tokens."""
        self.accounts: dict[str, Account] = {
            "admin": _account("admin", CLUSTER_ADMIN, "system:masters"),
            "edit": _account("edit", (*AUTHENTICATED, *EDIT)),
            "view": _account("view", (*AUTHENTICATED, *VIEW)),
            "none": _account("none", AUTHENTICATED),
        }

    def authenticate(self, authorization: str | None) -> Account:
        """The user of an ``Authorization`` header; nobody without one. Raises StorageError 401 for an unknown token."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            for account in self.accounts.values():
                if secrets.compare_digest(account.token.encode(), token.strip().encode()):
                    return account
        raise StorageError(401, "Unauthorized", "Unauthorized")

    def impersonate(self, account: Account, user: str, groups: tuple[str, ...] = ()) -> Account:
        """Who acts when `account` names another user and groups; one that is not known here has no rights of its own,
        but in ``system:masters`` all. Raises StorageError 403 for those that may not.
        """
        for resource, name in (("users", user), *(("groups", group) for group in groups)):
            if not account.allows("impersonate", "", resource):
                raise StorageError(
                    403,
                    "Forbidden",
                    f'{resource} "{name}" is forbidden: User "{account.name}" cannot impersonate resource '
                    f'"{resource}" in API group "" at the cluster scope',
                )
        if "system:masters" in groups:
            return Account(user, (*groups, "system:authenticated"), CLUSTER_ADMIN)
        for known in self.accounts.values():
            if known.name == user:
                return known
        return Account(user, (*groups, "system:authenticated"), AUTHENTICATED)

    def authorize(self, account: Account, target: Target, subresource: str | None = None) -> None:
        """Let a request pass, or raise StorageError 403 in the API server's words."""
        sub = target.subresource if subresource is None else subresource
        if not target.resource:
            self._authorize_path(account, target)
            return
        resource = f"{target.resource}/{sub}" if sub else target.resource
        if account.allows(target.verb, target.group, resource):
            return
        where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        what = f'{target.qualified} "{target.name}"' if target.name else target.qualified
        raise StorageError(
            403,
            "Forbidden",
            f'{what} is forbidden: User "{account.name}" cannot {target.verb} resource "{resource}" '
            f'in API group "{target.group}" {where}',
        )

    def _authorize_path(self, account: Account, target: Target) -> None:
        open_to_all = target.path in _PUBLIC or target.path.startswith(("/livez/", "/readyz/", "/healthz/"))
        known = account is not ANONYMOUS and f"/{target.path.split('/')[1]}" in _DISCOVERY
        if account.is_cluster_admin or (target.verb == "get" and (open_to_all or known)):
            return
        raise StorageError(
            403, "Forbidden", f'forbidden: User "{account.name}" cannot {target.verb} path "{target.path}"'
        )

    def find(self, user: str) -> Account:
        """The user of a short (``view``) or full (``demo-view``) name. Raises StorageError 404."""
        account = self.accounts.get(user.removeprefix("demo-"))
        if account is None:
            raise StorageError(404, "NotFound", f'users "{user}" not found')
        return account

    def revoke(self, user: str, resource: str, verbs: tuple[str, ...] = ("*",)) -> None:
        """Take a right away until it is granted again."""
        account = self.find(user)
        account.granted = [rule for rule in account.granted if resource not in rule.resources]
        account.revoked.append(Rule(verbs, ("*",), (resource,)))

    def grant(self, user: str, resource: str, verbs: tuple[str, ...] = ("*",)) -> None:
        """Give a right, be it new or one that was revoked."""
        account = self.find(user)
        account.revoked = [rule for rule in account.revoked if resource not in rule.resources]
        account.granted.append(Rule(verbs, ("*",), (resource,)))


def review_access(account: Account, access: Access, review: Object) -> Object:
    """The answer to a SelfSubjectAccessReview."""
    spec = review.get("spec") or {}
    asked = spec.get("resourceAttributes")
    if asked:
        target = Target(
            asked.get("verb", ""),
            "",
            asked.get("group", ""),
            asked.get("version", ""),
            asked.get("namespace", ""),
            asked.get("resource", ""),
            asked.get("name", ""),
            asked.get("subresource", ""),
        )
    else:
        path = spec.get("nonResourceAttributes") or {}
        target = Target(path.get("verb", ""), path.get("path", "/"))
    try:
        access.authorize(account, target)
    except StorageError:
        allowed = False
    else:
        allowed = True
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": {"allowed": allowed},
    }


def _told(rule: Rule, revoked: list[Rule]) -> Object | None:
    """A rule without what was taken away; rules cannot say all but that, so one that says all is left out."""
    gone = {name for taken in revoked for name in taken.resources}
    resources = [name for name in rule.resources if name not in gone and not (gone and "*" in name)]
    if not resources:
        return None
    return {"verbs": list(rule.verbs), "apiGroups": list(rule.groups), "resources": resources}


def review_rules(account: Account) -> Object:
    """The answer to a SelfSubjectRulesReview; incomplete once rights were taken away, which rules cannot say."""
    rules = [told for rule in (*account.rules, *account.granted) if (told := _told(rule, account.revoked))]
    paths = [{"verbs": ["*"], "nonResourceURLs": ["*"]}] if account.is_cluster_admin else _NON_RESOURCE_RULES
    return {
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": {},
        "status": {
            "resourceRules": rules,
            "nonResourceRules": paths,
            "incomplete": bool(account.revoked),
        },
    }


def review_self(account: Account) -> Object:
    """The answer to a SelfSubjectReview: ``kubectl auth whoami``."""
    return {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {},
        "status": {"userInfo": {"username": account.name, "groups": list(account.groups)}},
    }
