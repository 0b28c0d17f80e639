import aiohttp

from tests.demo.wire import VMIS, fetch, open_watch


async def test_churn_changes_machines_one_after_the_other(admin: aiohttp.ClientSession) -> None:
    version = (await fetch(admin, VMIS))["metadata"]["resourceVersion"]
    watch = await open_watch(admin, VMIS, resourceVersion=version)
    answer = await fetch(admin, "/demo/churn", method="POST", json={"rate": 500, "seconds": 0.1})
    events = await watch.names(50)
    assert answer["machines"] > 1
    assert {kind for kind, _ in events} == {"MODIFIED"}
    assert len(set(events)) == min(50, answer["machines"])


async def test_visible_churn_is_one_machine(admin: aiohttp.ClientSession) -> None:
    version = (await fetch(admin, VMIS))["metadata"]["resourceVersion"]
    watch = await open_watch(admin, VMIS, resourceVersion=version)
    await fetch(admin, "/demo/churn", method="POST", json={"rate": 100, "seconds": 0.05, "visible": True})
    assert len(set(await watch.names(5))) == 1
