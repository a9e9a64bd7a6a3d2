# Weir. `make help` lists the targets.

GOLANGCI_VERSION := v2.15.0
GOLANGCI := bin/tools/golangci-lint-$(GOLANGCI_VERSION)
VERSITYGW_VERSION := v1.8.0
VERSITYGW := bin/tools/versitygw-$(VERSITYGW_VERSION)
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -type f -print)
SDK_SOURCES := $(shell find sdk -path sdk/node_modules -prune -o -path sdk/dist -prune -o -type f -name '*.ts' -print) sdk/package.json sdk/package-lock.json
WEB := dashboard/static/dist/index.html
SDK := sdk/dist/weir.js

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build all and serve on http://127.0.0.1:8080 with data in ./data
	bin/weir serve

.PHONY: demo
demo: build ## Fill the running server with a shop: history, then live visitors
	bin/weir demo

.PHONY: build
build: web ## Build bin/weir, dashboard and weir.js included
	go build -o bin/weir ./cmd/weir

.PHONY: web
web: $(WEB) $(SDK) ## Build the dashboard and weir.js

$(WEB): web/node_modules/.package-lock.json $(WEB_SOURCES)
	npm --prefix web run build
	@touch $@

$(SDK): sdk/node_modules/.package-lock.json $(SDK_SOURCES)
	npm --prefix sdk run build
	@touch $@

%/node_modules/.package-lock.json: %/package-lock.json
	npm --prefix $* ci --no-audit --no-fund
	@touch $@

.PHONY: test
test: build ## Run every test; those whose server is missing are skipped, unless WEIR_TEST_SERVICES=required
	go test -short ./...
	npm --prefix web test
	npm --prefix sdk run test:unit

.PHONY: test-tools
test-tools: $(VERSITYGW) ## Build the servers that tests run against

$(VERSITYGW):
	GOBIN=$(CURDIR)/bin/tools go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)
	mv bin/tools/versitygw $@

.PHONY: test-services
test-services: build $(VERSITYGW) e2e/node_modules/.package-lock.json bench/chdb/node_modules/.package-lock.json ## Run the tests that need Chromium, servers, root or a minute
	@command -v chromium >/dev/null || { echo "Chromium is missing: install Debian's package chromium"; exit 1; }
	npm --prefix sdk run test:browser
	npm --prefix e2e test
	WEIR_TEST_SERVICES=required go test -count=1 -timeout 20m -run 'Crash|Term|PowerLoss|FullDisk|Memory|Distributed' -v ./cmd/weir
	WEIR_TEST_SERVICES=required go test -count=1 ./queue/rabbitqueue/...

.PHONY: lint
lint: $(GOLANGCI) web/node_modules/.package-lock.json sdk/node_modules/.package-lock.json e2e/node_modules/.package-lock.json ## Check style and types of all code
	@test -z "$$(gofmt -l . | grep -v node_modules)" || { echo "gofmt these files:"; gofmt -l . | grep -v node_modules; exit 1; }
	$(GOLANGCI) run
	npm --prefix web run lint
	npm --prefix web run typecheck
	npm --prefix sdk run lint
	npm --prefix sdk run typecheck
	npm --prefix e2e run lint

$(GOLANGCI):
	GOBIN=$(CURDIR)/bin/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/tools/golangci-lint $@

.PHONY: bench
bench: build bench/chdb/node_modules/.package-lock.json ## Measure intake, pipeline, freshness and questions; takes some minutes
	go run ./bench

.PHONY: bench-clickhouse
bench-clickhouse: bench/chdb/node_modules/.package-lock.json ## Ask Weir and ClickHouse the same questions
	go run ./bench -only questions,range

.PHONY: chdb
chdb: bench/chdb/node_modules/.package-lock.json ## Install ClickHouse's engine, which tests of eventstore/clickstore need

.PHONY: fuzz
fuzz: ## Fuzz everything that reads outside bytes, 30 s each
	@grep -rl '^func Fuzz' --include=*_test.go . | grep -v node_modules | while read -r file; do \
		grep -o '^func Fuzz[A-Za-z0-9]*' $$file | cut -c6- | while read -r name; do \
			echo "$$name in $$(dirname $$file)"; go test -run '^$$' -fuzz "^$$name$$" -fuzztime 30s $$(dirname $$file) || exit 1; \
		done || exit 1; done

.PHONY: clean
clean: ## Remove what was built; ./data stays
	rm -rf bin dashboard/static/dist sdk/dist/*.js web/node_modules sdk/node_modules e2e/node_modules bench/chdb/node_modules
