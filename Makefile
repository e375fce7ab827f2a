# hosterbot: `make help` lists what there is to make.
GO       ?= go
TOOLS    := $(CURDIR)/.cache/tools
VERSION  ?= $(shell git describe --tags --always 2>/dev/null || echo dev)
COMMIT   := $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS  := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
CYCLONEDX := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

.DEFAULT_GOAL := help
.PHONY: help demo build test check lint vuln alerts docs fuzz bench load image release

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-9s %s\n", $$1, $$2 }'

demo: ## Try everything in this terminal, with no account
	$(GO) run ./cmd/hosterbot demo

build: ## Build the static binary, ./hosterbot
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o hosterbot ./cmd/hosterbot

# One package at a time: some of them start processes and wait for a clock.
# The race detector needs a C compiler; without one the tests run without it.
RACE := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && [ "$$($(GO) env CGO_ENABLED)" = 1 ] && echo -race)

test: ## Run every test, with the race detector where there is a C compiler
	$(GO) test $(RACE) -p 1 -timeout 20m ./...

check: lint vuln alerts fuzz ## Run every other check: format, vet, staticcheck, known holes, alerts, generated files, tidy, fuzz
	@$(GO) run ./cmd/hosterbot docs
	@git diff --exit-code -- commands/COMMANDS.md cmd/hosterbot/policies.yaml || { echo 'generated files were stale: commit what changed'; exit 1; }
	@$(GO) run ./cmd/hosterbot policy check policies.yaml
	@$(GO) mod tidy -diff || { echo 'go.mod is not tidy: run go mod tidy'; exit 1; }
	@echo 'check: all fine'

lint: ## Check format, vet and staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'not gofmt: run gofmt -w .'; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags failpoints ./...
	@test -x $(TOOLS)/staticcheck || GOBIN=$(TOOLS) $(GO) install $(STATICCHECK)
	$(TOOLS)/staticcheck ./...

vuln: ## Look for known holes in what is used, where the database can be reached
	@test -x $(TOOLS)/govulncheck || GOBIN=$(TOOLS) $(GO) install $(GOVULNCHECK)
	@out=$$($(TOOLS)/govulncheck ./... 2>&1); code=$$?; \
	if [ $$code -ne 0 ] && echo "$$out" | grep -qiE 'dial tcp|no such host|i/o timeout|connection refused|fetching vulnerabilities|403|proxyconnect'; then \
		echo 'govulncheck: its database cannot be reached from here; nothing was looked up'; \
	else echo "$$out"; exit $$code; fi

alerts: ## Check and test the alert rules, where promtool is installed
	@if command -v promtool >/dev/null; then \
		promtool check rules cmd/hosterbot/observe/alerts.yaml && promtool test rules cmd/hosterbot/observe/alerts_test.yaml; \
	else echo 'alerts: promtool is not here (apt-get install prometheus); the rules were not tested'; fi

FUZZTIME ?= 5s
# Where the time ends while an input runs, Go says "context deadline exceeded" and
# names no input: that is the end, and no find.
fuzz: ## Run each fuzz target for FUZZTIME (5s)
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		for name in $$(grep -oE '^func Fuzz[A-Za-z]+' "$$file" | cut -c6-); do \
			echo "fuzz $$(dirname $$file) $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file) > /tmp/hosterbot-fuzz.log 2>&1 || \
			{ grep -q '^    context deadline exceeded' /tmp/hosterbot-fuzz.log && ! grep -q 'Failing input' /tmp/hosterbot-fuzz.log; } || { cat /tmp/hosterbot-fuzz.log; exit 1; }; \
		done; \
	done

docs: ## Rewrite the generated files
	$(GO) run ./cmd/hosterbot docs

bench: ## Measure speed and size, with allocations
	@.ci/bench

load: ## Run a bounded load against the built-in doubles; print p50, p99, calls, memory
	@.ci/load

image: ## Build the container image, with docker, podman, or buildah
	@VERSION='$(VERSION)' COMMIT='$(COMMIT)' .ci/image

release: ## Build dist/ for linux, darwin and windows, with checksums and a bill of materials
	@test -x $(TOOLS)/cyclonedx-gomod || GOBIN=$(TOOLS) $(GO) install -trimpath $(CYCLONEDX)
	@VERSION='$(VERSION)' GO='$(GO)' LDFLAGS='$(LDFLAGS)' CYCLONEDX='$(TOOLS)/cyclonedx-gomod' .ci/release
