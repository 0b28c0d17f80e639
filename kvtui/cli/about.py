"""What the help says of each command."""

from __future__ import annotations

ABOUT = """\
See what is broken with your virtual machines, why, and mend it: KubeVirt in one terminal program.

Without a command, kvtui opens the screen on the current context of your kubeconfig. Press ? there for its keys."""

EXAMPLES = """\
examples:
  kvtui                            the current context of your kubeconfig
  kvtui --context prod -n shop     one context, one namespace
  kvtui demo                       a simulated cluster, nothing else needed
  kvtui --record DIR               every console is recorded; kvtui replay FILE plays it
  kvtui get vms --faults -o wide   the rows of the screen, for scripts
  kvtui get migrations --watch     and as they change
  kvtui problems                   all that is wrong now, and because of what
  kvtui why shop/db-2              why it does not run, not migrate, not import
  kvtui timeline shop/db-2         what happened to it and all it stands on, and when
  kvtui screenshot shop/web-1      what the VM shows on its screen
  kvtui console db-1 --host qemu:///system   the console of a VM of this machine's libvirt
  kvtui stop web-1 web-2 -n shop --wait      what can be done on the screen, for scripts

"""

SCREENSHOT_ABOUT = """\
Save what a VM shows on its screen, or draw it in the terminal. It ends nobody's session."""

EXIT_CODES = """\
exit codes:
  0    done
  1    failed, or an object that was named is not there
  2    the command line, the configuration or the kubeconfig makes no sense
  3    the cluster does not answer, or the answer is partial; what is known is printed
  4    asked and not confirmed: nothing was sent
  130  interrupted; 128 and the number of any other signal, 129 also where the terminal went away"""

TRANSFER_CODES = """\
json: one object with the keys of a verb (kvtui stop --help); its one item says in state what came of it, and in bytes
how much came or went; of a download also the file.

exit codes:
  0    done; with --dry-run: as far as can be tried, it would be
  1    failed, refused or not possible now, a name that is taken, or an object or a file that is not there
  2    the command line, the configuration or the kubeconfig makes no sense: nothing was sent
  3    the cluster, or the upload proxy, does not answer
  4    not confirmed: nothing was sent
  5    --timeout is over: nothing came, or all was sent and its end was not seen; what is left is told
  130  interrupted; what is left is told. 128 and the number of any other signal"""

GET_ABOUT = """\
Print the rows of a resource: the same records and columns as on the screen.

resources: nodes, vms, migrations, imports, pods, pvcs, events, namespaces, kubevirts, cdis,
           snapshots, restores, clones, exports,
           of libvirt hosts pools, volumes, networks, leases, snapshots and jobs besides,
           or any of their aliases: node, vm, vmi, vmim, dv, pod, pvc, ev, ns ..."""

GET_MORE = f"""\
filters (--filter), as behind / on the screen:
  web !test            rows with "web" and without "test" in any column
  status:running       a column or field holds the text; status!:running is the opposite
  "two words"          quotation marks keep spaces

json: a list of objects with the keys backend, kind, namespace, name, uid, created (RFC 3339 or null),
  health (tone: ok, busy, warn, bad, muted; word; reason), columns (title in lower case, spaces as _, to text),
  fields and labels. With --watch it is one object a line; "gone": true marks a row that has gone.

{EXIT_CODES}"""


REPLAY_ABOUT = """\
Play a recording of a console at its own times: one of kvtui, or any asciicast of version 2 or 3 (asciinema)."""

REPLAY_MORE = f"""\
keys:
  space            pause, go on; at the end, from the begin again
  left, right      5 seconds back or on; pgup, pgdn (or with shift) 60 seconds
  home, end, 0-9   to the begin, to the end, to a tenth
  [ ] (or M m)     to the marker before or after: where the console was connected, cut, taken over ...
  < > (or - +)     slower, faster
  .                stand still and go on by one event
  e                read what a seek over megabytes of output has left out: the last two or three before it are played
  j k h l, wheel   move the view: over what has scrolled off, over a screen that is wider
  z, q             without the bars; quit

{EXIT_CODES}"""

CONSOLE_ABOUT = """\
Open the serial console of a VM: on a terminal as on the screen, with scrollback, search and recording; in a pipe as
plain bytes. It waits for a VM that does not run yet, follows restarts and migrations, and ends the session of whoever
has the console now; on a host of libvirt only when that is said (--take, or enter on the screen)."""

CONSOLE_MORE = f"""\
in a pipe:
  kvtui console web-1 --until 'login: ' --timeout 300 </dev/null >boot.log
  printf 'root\\rsecret\\ruptime\\r' | kvtui console web-1 --timeout 10

  It ends with 0 when the guest has said TEXT, when the guest's end closes the console, or when the time is up and no
  TEXT was asked for; with 1 when TEXT was not said, or the console was refused, taken over or lost.

{EXIT_CODES}"""


SSH_ABOUT = """\
Open a shell of a VM over SSH, through the API server: on the screen, beside everything else. With COMMAND it is run
without a terminal, with standard input and output as they are, and its exit status becomes that of kvtui.

Keys are those of the agent and of ~/.ssh; nothing else of ~/.ssh/config counts. The host key of a VM is asked about
the first time, and remembered under its context, namespace and name."""

SSH_MORE = f"""\
examples:
  kvtui ssh fedora@shop/web-1
  kvtui ssh root@web-1 -n shop -- journalctl -b -p err

{EXIT_CODES}"""

AUDIT_ABOUT = """\
Print what was done through kvtui on this machine, by whom, to which object, and what the server said: each action of
the screen and of the command line, each console and port that was opened. The log is audit.jsonl in the state folder;
full files of 10 MiB are kept beside it, nine of them."""

AUDIT_MORE = f"""\
examples:
  kvtui audit --since 2h
  kvtui audit web-1 -n shop --verb stop
  kvtui audit --since 2026-01-31 -o json | jq '.[] | select(.result == "refused")'

json: the lines of the log. One with the result "asked" is written before the server is asked, one with its answer
  after it, both with the same "act"; the table shows them as one. That one is "accepted", "refused", "unsent" (the
  connection was lost before it could be sent) or "unknown" (no answer came: look what came of it). "action" and
  "command" are what was chosen: vm.kill, force-stop.

{EXIT_CODES}"""

FORWARD_ABOUT = """\
Listen on ports of this machine and lead each connection to a port of a VM, through the API server, until interrupted.

  kvtui port-forward shop/web-1 8080:80 0:5432"""


UPLOAD_ABOUT = """\
Send an image of this machine into a new DataVolume of a cluster, through CDI's upload proxy, and wait until it can be
used: CDI converts it after it was sent. A connection that breaks is tried again from the beginning."""

UPLOAD_MORE = f"""\
examples:
  kvtui upload fedora.qcow2 --name fedora --size 20Gi -n shop
  kvtui upload win.img.xz --name win --size 64Gi --class ceph-rbd
  kvtui upload debian.qcow2 --host kvm1 --name images/debian.qcow2

ctrl+c, and --timeout, delete the DataVolume again unless all was sent; what is left is said. Where the settings say
production, or protect the namespace, it is asked first whether it is meant. --dry-run looks at the file, has the
server try to make the DataVolume, and asks the upload proxy whether it answers. A host has no dry run: kvtui checks
what it can.

{TRANSFER_CODES}"""


DOWNLOAD_ABOUT = """\
Bring a volume of an export into a file: by the export's own link where the cluster has one to the outside, else
through the API server, which needs get on secrets and on services/proxy. What comes is checked; a download that breaks
off or is interrupted leaves nothing."""

DOWNLOAD_MORE = f"""\
examples:
  kvtui download shop/db-1-export --volume db-1-data --to /backup/db-1.img.gz
  kvtui download shop/db-1-export --format raw

standard output: the name of the file, once all of it is there. Where the settings say production, or protect the
namespace, it is asked first whether it is meant. --dry-run asks for the volume, and takes nothing of it.

{TRANSFER_CODES}"""

WHY_ABOUT = """\
Say what is wrong with an object, because of what, how that is known, and what to do: the same as w on the screen. A
name without a kind is that of a VM, else of a node, a migration, an import, or whatever bears it."""

WHY_MORE = f"""\
examples:
  kvtui why db-2 -n shop
  kvtui why node/worker-3
  kvtui why imports/shop/db-2-root -o markdown

json: subject, health as of kvtui get, problems (as of kvtui problems; because is what each rests on, down to the root),
  checked (objects that were looked at), not_seen (layers of it of which nobody can tell, the nearest first: role,
  subject, state, reason, step), not_checked (lists that are not known).

{EXIT_CODES}"""

STACK_ABOUT = """\
Print what an object stands on, layer by layer from the top down, and what stands on it; each layer with its health and
the worst that was found in it: the same as x on the screen."""

STACK_MORE = f"""\
examples:
  kvtui stack shop/db-2
  kvtui stack node/worker-3
  kvtui stack pvc/shop/db-2-data -o json | jq -r '.layers[] | select(.finding) | .name'

json: layers, from the top down (depth, role, name, subject, own: whether it is the object itself, health, note, finding
  as of kvtui problems), not_checked.

{EXIT_CODES}"""

TIMELINE_ABOUT = """\
Print what happened to an object and to all its layers on one axis, the oldest first: events, conditions, phases,
containers, migrations, who wrote the object, what was done through kvtui, since when something is wrong. The same as t
on the screen."""

TIMELINE_MORE = f"""\
examples:
  kvtui timeline db-2 -n shop --since 2h
  kvtui timeline shop/db-2 --layer disk --layer migration --times ago
  kvtui timeline node/worker-3 -o markdown > ticket.md
  kvtui timeline shop/db-2 -o json | jq -r '.moments[] | select(.tone == "bad") | "\\(.time) \\(.what)"'

What repeats itself is one line at its end, and one at its beginning where something else happened meanwhile. Times are
those of whoever told them; clocks that disagree are named.

json: moments (time, first, count, layer, subject, source, what, detail, tone, clock) and notes: what could not be read.

{EXIT_CODES}"""

PROBLEMS_ABOUT = """\
Print all that is wrong now, the worst first, each cause once: x is bad, ! a warning, i worth knowing."""

PROBLEMS_MORE = f"""\
examples:
  kvtui problems -n shop
  kvtui problems --fail-on bad && echo quiet
  kvtui problems -o json | jq -r '.[] | "\\(.subject.name): \\(.cause)"'

json: a list of objects with the keys rule, severity (info, warn, bad), subject, label, trouble, cause, since, step,
  root, runbook (name, url; or null), evidence (subject, field, value, since) and effects, which are of the same form.

{EXIT_CODES}"""
