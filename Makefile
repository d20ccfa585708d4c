# SPDX-License-Identifier: Apache-2.0

# The version has one home, the file VERSION; the linker hands it to both
# programs.
VERSION := $(shell cat VERSION)

GO      ?= go
DESTDIR ?=
PREFIX  ?= /usr/local
BINDIR  ?= bin
DISTDIR ?= dist
GOARCH  ?= $(shell $(GO) env GOARCH)

# Pure Go, so the programs are static and run beside any libc.
export CGO_ENABLED := 0

PROGRAMS := connmonitor connvitals
MAN8     := $(wildcard packaging/man/*.8)
MAN5     := $(wildcard packaging/man/*.5)
MAN1     := $(wildcard packaging/man/*.1)

.PHONY: all
all: build

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: build
build: ## both programs, static, into bin/
	@mkdir -p $(BINDIR)
	@for p in $(PROGRAMS); do \
		GOOS=linux GOARCH=$(GOARCH) $(GO) build -trimpath -buildvcs=false \
			-ldflags '-s -w -X main.version=$(VERSION)' -o $(BINDIR)/$$p ./cmd/$$p || exit; \
	done
	@scripts/licences.sh >$(BINDIR)/third-party-licences

.PHONY: run
run: build ## build, then monitor what examples/first.conf names
	$(BINDIR)/connmonitor examples/first.conf

.PHONY: test
test: ## everything that must hold: format, lint, man pages, tests, race, fuzz, build
	@scripts/test.sh

.PHONY: soak
soak: ## all that a network does to the monitor, for SOAK (1h); make test does it for 2 minutes
	SOAK=$(or $(SOAK),1h) $(GO) test -count=1 -run '^TestSoak$$' -timeout 12h -v ./cmd/connmonitor

.PHONY: setup
setup: ## install the programs that the tests use (Debian, as root)
	@scripts/setup.sh

.PHONY: lint
lint: ## golangci-lint, the pinned version
	@scripts/lint.sh

# Against the bars of docs/performance.md, which says what BENCH_* variables
# there are and what it needs: root, two CPUs, a quiet machine, most of an hour.
.PHONY: bench
bench: build ## measure the programs beside floor and peers (root; make benchsetup first)
	BENCH=1 BENCH_BIN=$(abspath $(BINDIR)) $(GO) test -count=1 -timeout 6h -v -run '^TestBars$$' ./bench

.PHONY: benchsetup
benchsetup: ## install what bench needs beside setup (Debian, as root)
	@scripts/setup.sh --bench

.PHONY: benchrooms
benchrooms: ## the Go benchmarks of all rooms
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (60s), one after the other
	@scripts/fuzz.sh $(or $(FUZZTIME),60s)

SYSCONFDIR ?= /etc
# Where systemd looks for what is not the distribution's: below another PREFIX
# it would find nothing.
SYSTEMDDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),$(PREFIX),/usr/local)/lib
DOCDIR     ?= $(PREFIX)/share/doc/connmonitor
MANDIR     ?= $(PREFIX)/share/man
ZSHDIR     ?= $(PREFIX)/share/zsh/site-functions
BASHDIR    ?= $(PREFIX)/share/bash-completion/completions

# make build && sudo make install
#
# What `make build` has made is installed as it is, and built only where it is
# missing or older than a source, or where an architecture is asked for: root
# need not have Go, and leaves no files of its own in a checkout. Who calls
# sudo is asked to build first, but not where the place is another's (DESTDIR).
BUILT   := $(addprefix $(BINDIR)/,$(PROGRAMS) third-party-licences)
SOURCES := VERSION go.mod go.sum \
	$(shell find cmd/ internal/ -type f ! -name '*_test.go' ! -path '*/testdata/*')

$(BUILT) &: $(SOURCES) $(if $(filter file,$(origin GOARCH)),,FORCE)
	@test -z "$$SUDO_USER" -o -n "$(DESTDIR)" || { echo "$(BINDIR) is not up to date; before this: make build" >&2; exit 1; }
	@$(MAKE) --no-print-directory build
.PHONY: FORCE
FORCE:

# The packages are made of what this installs (scripts/package.sh). What an
# administrator has changed below /etc stays.
.PHONY: install
install: $(BUILT) ## all that the packages have, below $(DESTDIR)$(PREFIX), $(DESTDIR)/etc
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man8 \
		$(DOCDIR)/examples $(BASHDIR) $(ZSHDIR) $(SYSCONFDIR)/default $(SYSCONFDIR)/logrotate.d \
		$(addprefix $(SYSTEMDDIR)/,systemd/system sysctl.d sysusers.d tmpfiles.d))
	install -m 0755 $(addprefix $(BINDIR)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin/
	@set -e; for page in $(MAN1) $(MAN5) $(MAN8); do \
		to=$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}.gz; \
		gzip -9n <$$page >$$to; chmod 0644 $$to; \
	done
	install -m 0644 README.md CHANGELOG.md LICENSE $(BINDIR)/third-party-licences $(DESTDIR)$(DOCDIR)/
	install -m 0644 examples/*.conf $(DESTDIR)$(DOCDIR)/examples/
	@set -e; for p in $(PROGRAMS); do \
		install -m 0644 packaging/completions/$$p.bash $(DESTDIR)$(BASHDIR)/$$p; \
		install -m 0644 packaging/completions/$$p.zsh $(DESTDIR)$(ZSHDIR)/_$$p; \
	done
	sed 's,/usr/bin/connmonitor,$(PREFIX)/bin/connmonitor,' packaging/connmonitor.service \
		>$(DESTDIR)$(SYSTEMDDIR)/systemd/system/connmonitor.service
	chmod 0644 $(DESTDIR)$(SYSTEMDDIR)/systemd/system/connmonitor.service
	install -m 0644 packaging/connmonitor.sysctl $(DESTDIR)$(SYSTEMDDIR)/sysctl.d/10-connmonitor.conf
	install -m 0644 packaging/connmonitor.sysusers $(DESTDIR)$(SYSTEMDDIR)/sysusers.d/connmonitor.conf
	install -m 0644 packaging/connmonitor.tmpfiles $(DESTDIR)$(SYSTEMDDIR)/tmpfiles.d/connmonitor.conf
	@set -e; for f in default:default logrotate:logrotate.d; do \
		to=$(DESTDIR)$(SYSCONFDIR)/$${f##*:}/connmonitor; \
		test -e $$to || install -m 0644 packaging/connmonitor.$${f%%:*} $$to; \
	done
	@test -n "$(DESTDIR)" || echo "as root, then: systemd-sysusers connmonitor.conf;" \
		"systemd-tmpfiles --create connmonitor.conf; systemctl restart systemd-sysctl;" \
		"systemctl daemon-reload; systemctl enable --now connmonitor"

.PHONY: package
package: ## dist/*.deb and *.rpm for amd64 and arm64; the same sources give the same bytes
	@DISTDIR=$(DISTDIR) scripts/package.sh

.PHONY: clean
clean: ## remove what was built (not .cache)
	rm -rf bin dist
