# The ways to run what is here, on Debian or Ubuntu. On Windows: `uv run ampere --help`.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
STACK ?= home

# Debian keeps nginx and netplan where only root looks.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
export PYTHONUNBUFFERED := 1
# Where the system has certificates, they count: a company's proxy brings its own.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := true
endif

# A uv of 0.9 or newer that is there already, else the pinned one.
PINNED_UV := .ampere/uv/bin/uv
UV := $(shell uv --version 2>/dev/null | awk -F'[ .]' '$$2 > 0 || $$3 >= 9 { print "uv" }')
ifeq ($(UV),)
UV := $(PINNED_UV)
UV_NEEDED := $(PINNED_UV)
endif

# What the tests run besides what tools/ builds: programs, and the packages they come from.
PROGRAMS := cloud-init netplan nginx systemd-analyze ssh-keygen curl
PACKAGES := cloud-init netplan.io nginx-light libnginx-mod-stream systemd openssh-client curl
# And what the test machines are made with.
MACHINE_PROGRAMS := libvirtd virsh qemu-system-x86_64 qemu-img dnsmasq iptables nft ip sshd \
    mmdebstrap grub-mkimage sfdisk mke2fs gpg xz nsenter
MACHINE_PACKAGES := libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils dnsmasq-base \
    iptables nftables iproute2 openssh-server mmdebstrap debian-archive-keyring grub-pc-bin \
    grub-common fdisk e2fsprogs gnupg xz-utils util-linux
# The cluster that the services' tests run on, and the programs that run beside it.
CONTROL_PLANE := etcd kube-apiserver kube-controller-manager kube-scheduler kwok
OBJECT_STORE := minio mc
SERVICE_PROGRAMS := psql pg_ctlcluster setpriv
SERVICE_PACKAGES := postgresql postgresql-client util-linux
NO_CLUSTER := /etc/postgresql-common/createcluster.d/ampere.conf
SUDO := $(shell test "$$(id -u)" = 0 || echo sudo)

# $(call install,PROGRAMS,PACKAGES,FILE): install the packages if a program is missing; FILE keeps
# what they would start by themselves, cloud-init or an SSH server, from running on this machine.
define install
for program in $(1); do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
test -n "$$missing" || exit 0; \
echo "== the tests need programs that are not here:$$missing"; \
command -v apt-get >/dev/null || { \
    echo "there is no apt-get to install them with: run the tests on Debian or Ubuntu,"; \
    echo "in WSL or a container; \`make unit\` needs none of them"; exit 1; }; \
test -z "$(SUDO)" || command -v sudo >/dev/null || { \
    echo "there is no sudo to install them with; as root: apt-get install $(2)"; exit 1; }; \
echo "== installing $(2)"; \
set -e; \
case "$$missing" in *cloud-init*|*sshd*) \
    $(SUDO) mkdir -p $(dir $(3)); $(SUDO) touch $(3); echo "($(3) keeps it from running here)";; esac; \
$(SUDO) apt-get update -qq; \
$(SUDO) env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends $(2)
endef

.PHONY: help rehearse test interruptions unit test-services test-machines drills lint format secrets bench bench-boot bench-services tools packages service-packages machine-packages environment schema clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

rehearse: $(UV_NEEDED) ## run the real program in the real engine against doubles (STACK=home)
	@echo "== Python packages (locked in uv.lock)"
	@$(UV) sync --locked --inexact --no-group dev --group $(STACK)
	@$(UV) run --no-sync ampere rehearse $(STACK)

test: environment packages tools ## all tests: unit first, then real tools, then the engine
	@echo "== tests"
	@$(UV) run --no-sync pytest

interruptions: environment tools ## every operation of every stack fails alone, and is killed at (long)
	@AMPERE_EVERY_OPERATION=1 $(UV) run --no-sync pytest tests/engine/test_interruption.py \
	    tests/engine/test_api_interruption.py tests/engine/test_foundation_interruption.py

unit: environment ## the tests that need no other program, in seconds
	@$(UV) run --no-sync pytest tests/unit

test-services: environment service-packages tools ## what both clusters run, on a real API server, real programs with home's secrets (minutes)
	@$(UV) run --no-sync ampere tools $(CONTROL_PLANE) $(OBJECT_STORE)
	@echo "== services"
	@$(UV) run --no-sync pytest --durations=10 tests/services

test-machines: environment packages machine-packages tools ## real machines, up to their packages (root, a quarter of an hour)
	@echo "== machines"
	@$(SUDO) env HOME="$$HOME" PATH="$$PATH" $(UV) run --no-sync pytest --durations=15 tests/machines

drills: environment packages machine-packages tools ## real machines, a whole cluster, and the troubles of a home (root, hours)
	@$(SUDO) env HOME="$$HOME" PATH="$$PATH" $(UV) run --no-sync pytest tests/drills

lint: environment ## ruff (all rules, format) and pyright (strict)
	@echo "== ruff"
	@$(UV) run --no-sync ruff check
	@$(UV) run --no-sync ruff format --check
	@echo "== pyright"
	@$(UV) run --no-sync pyright

format: environment ## let ruff format and fix what it can
	@$(UV) run --no-sync ruff check --fix
	@$(UV) run --no-sync ruff format

secrets: environment ## check every file of secrets (CHECK=--without-keys: open none)
	@$(UV) run --no-sync ampere secrets check $(CHECK)

bench-boot: environment packages machine-packages tools ## measure what the bootstrap adds to the boot of a machine (root, minutes)
	@$(SUDO) env HOME="$$HOME" PATH="$$PATH" $(UV) run --no-sync python -m benchmarks.boot

bench: environment tools ## measure the program's growth with the workers, and its secrets
	@$(UV) run --no-sync python benchmarks/growth.py
	@$(UV) run --no-sync python -m benchmarks.decryption

bench-services: environment tools ## measure up on a real API server, and its growth with the releases
	@$(UV) run --no-sync ampere tools $(CONTROL_PLANE)
	@$(UV) run --no-sync python -m benchmarks.services

schema: environment ## write the JSON Schema of the stack file, for editors (STACK=home)
	@$(UV) run --no-sync ampere schema $(STACK)

tools: environment ## build the tools that are not here yet; the first time takes minutes
	@echo "== tools (found on PATH, cached, or built from source)"
	@$(UV) run --no-sync ampere tools

# The tests and the type check look at every stack, so each stack's own group is there for them.
environment: $(UV_NEEDED)
	@echo "== Python packages (locked in uv.lock)"
	@$(UV) sync --locked --group foundation --group api

packages:
	@test -e /usr/lib/nginx/modules/ngx_stream_module.so || missing=" nginx-stream"; \
	$(call install,$(PROGRAMS),$(PACKAGES),/etc/cloud/cloud-init.disabled)

# Debian makes a cluster of its own where it installs PostgreSQL, unless it is told not to.
service-packages:
	@missing=""; command -v pg_ctlcluster >/dev/null || { $(SUDO) mkdir -p $(dir $(NO_CLUSTER)); \
	    echo "create_main_cluster = false" | $(SUDO) tee $(NO_CLUSTER) >/dev/null; }; \
	$(call install,$(SERVICE_PROGRAMS),$(SERVICE_PACKAGES))

machine-packages:
	@missing=""; \
	$(call install,$(MACHINE_PROGRAMS),$(MACHINE_PACKAGES),/etc/ssh/sshd_not_to_be_run)

# With --target, pip installs even where the system's Python is managed by Debian.
$(PINNED_UV): tools/uv/requirements.txt
	@echo "== uv (pinned in tools/uv)"
	@python3 -m pip --version >/dev/null 2>&1 || { echo "== installing pip"; \
	    $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends \
	        python3-pip; }
	@rm -rf .ampere/uv
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	    --require-hashes --no-deps --target .ampere/uv -r $<
	@touch $@

clean: ## remove what was made in this folder; built tools stay in the user's cache
	rm -rf .ampere .venv .pytest_cache .ruff_cache .hypothesis
