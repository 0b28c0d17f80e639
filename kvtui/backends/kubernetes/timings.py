"""How long the Kubernetes backend waits for what: one place, so that tests can be quick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, all of them."""

    connect: float = 10.0
    """Until TCP and TLS stand."""
    answer: float = 30.0
    """Until an ordinary answer begins, and between its parts."""
    busy: float = 60.0
    """For which a request is put off at most that the server wants to have later."""
    list_answer: float = 60.0
    """Until a list begins, and between its parts: a cold server reads it from etcd first."""
    watch_silence: float = 90.0
    """Without an event or a bookmark in a watch: servers send a bookmark about each minute."""
    watch_shortest: float = 240.0
    """Watches are asked to last between this ..."""
    watch_longest: float = 360.0
    """... and this, at random, so that not all end at once."""
    settled: float = 5.0
    """A watch that ends sooner and brought nothing counts as a failure."""
    retry_first: float = 0.5
    retry_most: float = 30.0
    poll: float = 30.0
    """Between two lists of a kind that is not watched."""
    forbidden: float = 30.0
    """Until a forbidden kind is tried again."""
    absent: float = 15.0
    """Until a kind that the server does not serve is looked for again."""
    pulse: float = 10.0
    """Between two questions whether the server still answers."""
    pulse_answer: float = 5.0
    """Until such an answer is there."""
    pulse_retry: float = 1.0
    """Between two such questions while there is none."""
    kubeconfig: float = 3.0
    """Between two looks whether the kubeconfig was changed, while the server does not answer or know us."""
    metrics: float = 15.0
    """Between two measurements of the nodes, and of the pods."""
    metrics_many: float = 60.0
    """Between two measurements of very many pods."""
    metrics_absent: float = 60.0
    """Until usage that is not measured, or not for us, is asked for again."""
    metrics_kept: float = 60.0
    """How long usage is shown that can no longer be measured."""
    progress: float = 5.0
    """Between two questions how far migrations are: virt-handler looks as often."""
    permission: float = 60.0
    """How long an answer to "may I?" is believed."""
    denial: float = 1.0
    """The same for a no: somebody may be about to grant it."""
    plugin: float = 120.0
    """An exec plugin may wait for a login in the browser."""
    plugin_retry: float = 10.0
    """Until a failed plugin is run again."""
    handshake: float = 15.0
    """Until a console is open: the server dials the node first."""
    heartbeat: float = 12.0
    """From the last byte to a ping, on a console; half as long again without an answer, and the link is dead."""
    screenshot: float = 20.0
    """Until a screenshot is there as a whole."""
    boot_log: float = 1.0
    """Until a boot log is taken to be open that has said nothing: a kubelet answers with the first line."""
    upload_silence: float = 120.0
    """Until the connection of an upload is given up that takes nothing any more."""
    upload_ready: float = 300.0
    """Until a disk must be ready for an upload: it is provisioned, and a pod starts."""
    upload_look: float = 1.0
    """Between two looks at how far CDI is."""
    upload_retry: float = 2.0
    """Until a failed upload is sent again; doubled each time."""
