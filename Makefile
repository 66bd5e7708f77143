# Mesa. "make" alone says what can be done; "make check" is what the build server runs.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --abbrev=12 --dirty 2>/dev/null || echo dev)
PKG     ?= ./...
FUZZTIME ?= 30s

# Starts the servers that tests need, and installs them when they are missing (see internal/testkit/run).
WITH_SERVERS = $(GO) run ./internal/testkit/run --

# The race detector needs cgo and a C compiler; without them the tests run all the same, and say so.
# The inside of SQLite is C turned into Go, and locks by itself: watching it would find nothing of ours and takes longer than all else. Only
# that one package is left out: others have instances of generic functions that the linker would give to the whole program.
RACE := $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v $$($(GO) env CC) >/dev/null 2>&1 && echo "-race -gcflags=modernc.org/...=-d=checkptr=0 -gcflags=modernc.org/sqlite/lib='-race=0 -d=checkptr=0'")

# Tools that are downloaded when they are asked for; go.mod knows nothing of them.
CYCLONEDX   = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Where govulncheck finds what is known; a copy of the database on this machine is file:///FOLDER.
VULNDB ?= https://vuln.go.dev

# Folders that "make generate" writes into.
GENERATED = graph docs

GOFILES = find . \( -name node_modules -o -name '.?*' -o -path ./var -o -path ./bin \) -prune -o -name '*.go' -print

.DEFAULT_GOAL := help
.PHONY: help run build test check house bench proof bench-queues bench-abuse plans soak fuzz reproducible sbom vulncheck fmt fmt-check vet lint generate fresh graphiql clean

help: ## say what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: build ## build and serve the demo institution on http://127.0.0.1:8080 (data in ./var)
	@exec ./bin/mesa serve --demo

build: ## build ./bin/mesa, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags "-X main.version=$(VERSION)" -o bin/mesa ./cmd/mesa

# The second clone compiles everything anew, into a cache of its own.
reproducible: ## build the latest commit in two folders, and fail unless the two binaries are the same
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	git clone --quiet . $$dir/one && $(MAKE) --no-print-directory -C $$dir/one build && \
	git clone --quiet . $$dir/another/place && GOCACHE=$$dir/cache $(MAKE) --no-print-directory -C $$dir/another/place build && \
	cd $$dir && sha256sum one/bin/mesa another/place/bin/mesa && \
	cmp one/bin/mesa another/place/bin/mesa && echo "the two are the same, byte for byte"

# Its time is the commit's, so that the same source has the same SBOM.
sbom: ## write ./bin/mesa.cdx.json, the CycloneDX list of what is in the binary, with licences
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) run $(CYCLONEDX) app -json -licenses -assert-licenses -std -noserial -main cmd/mesa -output bin/mesa.cdx.json .
	@at=$$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null) && \
	sed -i.new "s/\"timestamp\": \"[^\"]*\"/\"timestamp\": \"$$at\"/" bin/mesa.cdx.json && rm bin/mesa.cdx.json.new; ls -l bin/mesa.cdx.json

# The binary rather than the source: commands are called by reflection, of which the call graph of the source knows nothing.
vulncheck: build ## look for known vulnerabilities in what is linked into ./bin/mesa (needs the network)
	@$(GO) run $(GOVULNCHECK) -db $(VULNDB) -mode binary bin/mesa; code=$$?; \
	[ $$code = 0 ] || echo "make vulncheck: NOT clean, or not checked at all: see above. It needs $(VULNDB); a copy on this machine is VULNDB=file:///FOLDER" >&2; exit $$code

test: ## run all tests on SQLite and a private PostgreSQL, Redis and S3 server (PKG=./db for some of them)
	@[ -n "$(RACE)" ] || echo "make test: the race detector is OFF: it needs cgo and a C compiler (Debian: apt-get install gcc libc6-dev)"
	$(WITH_SERVERS) $(GO) test $(RACE) -timeout 15m $(PKG)

# One after the other and the tests last, so that the end of the output is the tests' own.
check: ## everything the build server checks: format, vet, lint, house rules, fresh generated code, tests
	@$(MAKE) --no-print-directory fmt-check
	@$(MAKE) --no-print-directory vet
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory house
	@$(MAKE) --no-print-directory fresh
	@$(MAKE) --no-print-directory test

fmt: ## format the Go files
	@$(GOFILES) | xargs gofmt -s -w

fmt-check:
	@echo "gofmt -s -l"; files=$$($(GOFILES) | xargs gofmt -s -l) && \
	if [ -n "$$files" ]; then echo "not formatted (make fmt):"; echo "$$files"; exit 1; fi

vet: ## go vet
	$(GO) vet ./...

# staticcheck is pinned as a tool line of go.mod. golangci-lint would bring some two hundred modules for linters that mostly repeat it.
lint: ## staticcheck
	$(GO) tool staticcheck ./...

house: ## the rules of the house (internal/house): imports, doors, comments, dependencies
	$(GO) test -count=1 ./internal/house

bench: ## measure the operations against hand-written handlers, and background work (BENCH="-only jobs: -seconds 5")
	$(WITH_SERVERS) $(GO) run ./internal/bench $(BENCH)

# A million documents take ten minutes to make, and 17 GB in the temporary folder unless MESA_TEST_POSTGRES_URL names a server, which keeps them.
proof: ## measure all that counts beside hand-written handlers, with each cache, at 10,000 and 1,000,000 documents (BENCH="-documents 100000")
	@$(WITH_SERVERS) $(GO) run ./internal/bench -proof -documents 1000000 -clients 1,16,64 -seconds 2 $(BENCH)

bench-queues: ## measure background work beside River and Asynq, which it downloads (BENCH="-rounds 5")
	cd internal/bench/queues && $(GO) build -o ../../../bin/queues . && cd ../../.. && $(WITH_SERVERS) ./bin/queues $(BENCH)

bench-abuse: build ## attack the program while somebody works beside it, and measure both (BENCH="-seconds 6 -only sign-in")
	$(GO) run ./internal/bench/abuse $(BENCH)

# How many documents the planners choose over. A million on PostgreSQL take ten minutes to make, and 17 GB in the temporary folder.
PLANS_SQLITE   ?= 100000
PLANS_POSTGRES ?= 1000000
ASK_PLANNER = $(GO) test ./db -count=1 -timeout 2h -v -run '^TestEveryNamedQuery.*/$(1)' -args -plan-table -plan-documents $(2)

plans: ## ask the planners about every named query on large data, and print the table of indexes (PLANS_POSTGRES=300000)
	$(call ASK_PLANNER,sqlite,$(PLANS_SQLITE))
	$(WITH_SERVERS) $(call ASK_PLANNER,postgres,$(PLANS_POSTGRES))

soak: ## let everything fail at random under 1,000 jobs, on each database (SOAK="-soak-jobs 300 -soak-kills 30")
	$(WITH_SERVERS) $(GO) test -tags soak -count=1 -timeout 60m -run "^TestSoak" -v ./cmd/mesa -args $(SOAK)

# SQLite's inside is C turned into Go, not ours to explore; following its branches would take most of the time.
fuzz: ## send hostile operations in many rounds, then run each fuzz target (FUZZTIME=30s; MESA_FUZZ_SEED=7 repeats a run)
	MESA_FUZZ_SEED=$${MESA_FUZZ_SEED:-$$(date +%s)} MESA_FUZZ_ROUNDS=$${MESA_FUZZ_ROUNDS:-200} $(WITH_SERVERS) \
		$(GO) test -count=1 -timeout 60m -run '^TestNoOperationBreaksTheServer$$' -v ./graph
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z]+' . | sed 's|/[^/]*:func | |' | while read -r dir name; do \
		echo "$$name in $$dir"; $(GO) test -gcflags=modernc.org/...=-d=libfuzzer=0 -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$dir </dev/null || exit 1; \
	done

generate: ## write the generated code anew
	$(GO) generate ./...

# Compared with a copy rather than with git, so that it also works amid uncommitted changes.
fresh: ## fail when "make generate" changes something
	@before=$$(mktemp -d) && trap 'rm -rf "$$before"' EXIT && \
	for dir in $(GENERATED); do if [ -d $$dir ]; then cp -R $$dir $$before/; fi; done && \
	$(MAKE) --no-print-directory generate && \
	for dir in $(GENERATED); do if [ -d $$dir ]; then \
		diff -ruN $$before/$$dir $$dir || { echo "$$dir was not fresh; it is now: look at the change and commit it"; exit 1; }; \
	fi; done

graphiql: ## build the GraphiQL page anew (needs Node.js; the built page is committed)
	cd web/graphiql && npm ci --no-audit --no-fund && npx vite build

clean: ## remove what was built (not ./var, the demo's data)
	rm -rf bin
