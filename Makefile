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
DISTNAME  = connmonitor-$(VERSION)-linux-$(GOARCH)
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

.PHONY: install
install: build ## programs, man pages and unit below $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
		$(DESTDIR)$(PREFIX)/share/man/man8
	install -m 0755 $(addprefix $(BINDIR)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin/
	install -m 0644 $(MAN1) $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 0644 $(MAN5) $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 0644 $(MAN8) $(DESTDIR)$(PREFIX)/share/man/man8/
	sed 's,/usr/bin/connmonitor,$(PREFIX)/bin/connmonitor,' packaging/connmonitor.service \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/connmonitor.service
	chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/connmonitor.service

# A plain archive for now; .deb and .rpm packages come with a later release.
# The same sources give the same bytes.
.PHONY: package
package: ## dist/connmonitor-VERSION-linux-GOARCH.tar.gz (no .deb or .rpm yet)
	rm -rf $(DISTDIR)/$(DISTNAME)
	$(MAKE) install BINDIR=$(DISTDIR)/bin-$(GOARCH) GOARCH=$(GOARCH) \
		DESTDIR=$(DISTDIR)/$(DISTNAME) PREFIX=/usr
	install -d $(DISTDIR)/$(DISTNAME)/usr/share/doc/connmonitor/examples
	install -m 0644 README.md CHANGELOG.md LICENSE $(DISTDIR)/$(DISTNAME)/usr/share/doc/connmonitor/
	install -m 0644 examples/*.conf $(DISTDIR)/$(DISTNAME)/usr/share/doc/connmonitor/examples/
	tar -C $(DISTDIR) --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
		-cf - $(DISTNAME) | gzip -9n > $(DISTDIR)/$(DISTNAME).tar.gz
	@echo $(DISTDIR)/$(DISTNAME).tar.gz

.PHONY: clean
clean: ## remove what was built (not .cache)
	rm -rf bin dist
