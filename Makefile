# The one interface to this repository; README.md says what for.
#
#   make serve                     serve https://localhost:8443 (COFFER_DATA, COFFER_PORT, …)
#   make mount MNT=dir [SERVER=]   log in and mount;  make unmount MNT=dir
#   make                           check, test, build
#   make conformance URL=          the OAuth suite against any running server; without URL= what that must have
#   make bench [ONLY=peer|oauth] [ROWS=name] [RTT=50] [USED=1]   measure beside sshfs and rclone, and beside oidc-provider

MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.PHONY: all serve mount unmount test conformance bench build check fmt cover dev clean another-node

NODE    := node --enable-source-maps
BIN     := node_modules/.bin
SOURCES := $(shell find server client oauth -name '*.ts') $(wildcard views/*) tsconfig.json

# A checkout keeps the data of its server to itself; its client looks for the certificate there.
serve dev: export COFFER_DATA ?= $(CURDIR)/.coffer/data

# "~" is expanded by some shells only; all else is taken as it is, in the environment, where no shell reads it again
mount unmount: export MOUNTPOINT = $(subst :MNT:,,$(subst :MNT:~/,$(HOME)/,:MNT:$(or $(value MNT),$(error say where: MNT=directory))))

all: check test build

serve: build
	@$(NODE) dist/server/main.js serve

mount: build
	@scripts/install-packages mount
	@mkdir "$$MOUNTPOINT" 2>/dev/null || true # the client says what is wrong with a mount point
	@$(NODE) dist/client/main.js mount $(SERVER) "$$MOUNTPOINT"

unmount: build
	@$(NODE) dist/client/main.js unmount "$$MOUNTPOINT"

test: export NODE_ENV = test
test:
	@scripts/install-packages node build mount test
	@[ -d node_modules/keytar ] || ! pkg-config --exists libsecret-1 || rm -rf node_modules # installed before libsecret was
	@$(MAKE) build
	$(BIN)/mocha --parallel --jobs 3 --forbid-only --reporter test/support/reporter.cjs 'test/**/*.test.ts'

conformance: export COFFER_CONFORMANCE_URL = $(URL)
conformance: node_modules
	$(if $(URL),$(BIN)/mocha 'test/conformance/**/*.test.ts',@$(NODE) --import tsx test/conformance/prepare.ts $(PREPARE))

bench: build
	@scripts/install-packages mount bench
	$(if $(filter oauth,$(ONLY)),,$(NODE) --import tsx test/bench/main.ts $(ONLY) '--rows=$(ROWS)' --rtt=$(RTT) --used=$(USED))
	$(if $(filter-out oauth,$(ONLY))$(ROWS)$(RTT)$(USED),,$(NODE) --import tsx test/bench/oauth.ts)
	$(if $(ONLY)$(ROWS)$(RTT)$(USED),,$(NODE) --import tsx test/bench/main.ts --rtt=50)
	$(if $(ONLY)$(ROWS)$(RTT)$(USED),,$(NODE) --import tsx test/bench/http.ts)
	$(if $(ONLY)$(ROWS)$(RTT)$(USED),,$(NODE) --import tsx test/bench/storage.ts)

build: dist/.built

check: node_modules
	$(BIN)/tsc -p . --noEmit
	$(BIN)/tsc -p test
	$(BIN)/biome check --error-on-warnings

fmt: node_modules
	$(BIN)/biome check --write

cover: export NODE_ENV = test
cover: build
	$(BIN)/c8 --reporter text --reporter html $(BIN)/mocha 'test/**/*.test.ts'

dev: node_modules
	node --watch --import tsx server/main.ts

clean:
	rm -rf dist coverage

dist/.built: node_modules $(SOURCES)
	rm -rf dist && mkdir dist && touch dist/.begun
	$(BIN)/tsc -p .
	chmod +x dist/client/main.js dist/server/main.js
	cp -R views dist/ && mv dist/.begun $@ # what changes meanwhile is newer

# npm compiles for one version of Node.js: what this one cannot load is installed again.
node_modules: package-lock.json $(shell node -e 'new (require("better-sqlite3"))(":memory:")' 2>/dev/null || echo another-node)
	@scripts/install-packages node
	npm ci || { scripts/install-packages build && npm ci; }
	@touch $@
