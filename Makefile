# Every routine task is a target; `make help` lists them.
# PYTHON is the interpreter for the virtual environment, 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
ENGINE := $(VENV)/engine
NODE_MODULES := rust/wasm/node_modules/.package-lock.json
NPM_PACKAGE := target/npm/recgrela/recgrela-plain.wasm
WEB_NODE_MODULES := examples/web/node_modules/.package-lock.json
DEMO_MODEL := runs/demo/model.safetensors
DEMO_SMALL := runs/demo/model-int8.safetensors
DEMO_TITLES := runs/demo/titles.json
PEERS := .peers/rectools/ready .peers/recbole/ready
PEERS_CONFIG = $(or $(CONFIG),training/configs/demo.yaml)
PREFIX ?= /usr/local
# The pkg-config file has it, and is read from other folders.
override PREFIX := $(abspath $(PREFIX))
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
URL := $(shell sed -n 's/^homepage = "\(.*\)"/\1/p' Cargo.toml)
# Until 1.0 a minor version may break the interface: 0.1 of 0.1.0.
SONAME := librecgrela.so.$(basename $(VERSION))
PROFILE ?= release
BUILT = $(TARGET_DIR)/$(PROFILE:dev=debug)
RUST_SOURCES := Cargo.toml Cargo.lock .cargo/config.toml $(shell find rust -name '*.rs' -o -name Cargo.toml)

.DEFAULT_GOAL := help
.PHONY: help setup demo docs test test-docs test-gpu test-scale test-arm test-wasm test-bindings release-check test-server test-web test-page test-aar test-asan kotlin swift wasm web demo-site lighthouse install-c fuzz lock lint format bench pictures report-picture size bench-training bench-data end-to-end bench-evaluation bench-batch bench-fleet bench-dependent bench-kernels bench-web bench-server parity agree long-histories epoch-cost update kinds gaps experiments peers clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(ENGINE) ## Create .venv with both packages (downloads PyTorch the first time)

$(READY): pyproject.toml training/pyproject.toml constraints.txt
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust from rustup.rs, then run make again"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"{sys.executable} is Python {v[0]}.{v[1]}, expected 3.11 or newer: make setup PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --progress-bar on -c constraints.txt -e training --group dev
	@touch $@

$(ENGINE): $(READY) $(RUST_SOURCES)
	PIP_QUIET=1 $(BIN)/maturin develop --release --quiet
	@touch $@

$(NODE_MODULES): rust/wasm/package.json rust/wasm/package-lock.json
	npm --prefix rust/wasm ci
	@touch $@

$(WEB_NODE_MODULES): examples/web/package.json examples/web/package-lock.json
	npm --prefix examples/web ci
	@touch $@

demo: setup ## Train on MovieLens-100K, export, and recommend to a real user
	$(BIN)/recgrela-train fit --config training/configs/demo.yaml --output runs/demo --overwrite --test
	$(BIN)/recgrela-train export runs/demo
	$(BIN)/python examples/demo.py runs/demo

test: lint ## Run all checks and tests
	cargo test --quiet --workspace --exclude recgrela-python
	cargo test --quiet -p recgrela --features threads --test threads --test thread_memory --test overlay --test quota --test top_k
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses=auto --maxprocesses=4 --dist=loadfile

docs: .docs/ready setup ## Build the documentation site into target/site; a dead link is an error
	NO_MKDOCS_2_WARNING=1 .docs/bin/mkdocs build --quiet --strict

test-docs: docs ## Build the site and run the code blocks of its pages
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/test_docs.py tests/server/test_server_docs.py

test-gpu: setup ## Run the trainer's tests that need a CUDA GPU
	$(BIN)/python -m pytest -q -m gpu tests/training

test-scale: .scale/ready setup ## Run a day of EVENTS (1,000,000) on Ray and Spark with a worker killed (needs JDK 17)
	RECGRELA_SCALE_EVENTS=$(or $(EVENTS),1000000) .scale/bin/python -m pytest -q -m scale tests/scale

# Both borrow the packages of .venv, with both of ours.
.scale/ready: tests/scale/requirements.txt
.docs/ready: pyproject.toml
.scale/ready .docs/ready: .%/ready: $(READY)
	$(PYTHON) -m venv --clear .$*
	.$*/bin/pip install --quiet --upgrade pip
	$(BIN)/python -c 'import sysconfig; p = sysconfig.get_path("purelib"); print(f"import site; site.addsitedir({p!r})")' \
		> $$(.$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/venv.pth
	.$*/bin/pip install --quiet $(if $(filter docs,$*),-c constraints.txt --group docs,-r tests/scale/requirements.txt)
	@touch $@

test-arm: ## Run the engine's tests with NEON, on 64-bit Arm under qemu (needs Debian packages)
	.ci/test-arm

test-wasm: ## Run the engine's tests with simd128, as WebAssembly in Node (needs Debian packages)
	.ci/test-wasm

kotlin: ## Run the tests of the Kotlin binding on the JVM (needs JDK 17 and Maven)
	examples/kotlin/run test

swift: ## Generate the Swift package's sources, and check them as far as possible without Swift
	.ci/test-swift

test-aar: ## Pack the Android archive with Linux libraries and check it (needs Debian packages)
	.ci/test-aar

wasm: $(NPM_PACKAGE) ## Build the npm package into target/npm/recgrela (needs Debian packages)

$(NPM_PACKAGE): $(RUST_SOURCES) $(wildcard rust/wasm/js/*) LICENSE .ci/build-wasm .ci/wasm-toolchain .ci/debian-rust
	.ci/build-wasm

test-web: wasm $(NODE_MODULES) ## Test the npm package in Node and headless Chromium (needs Debian packages)
	node --test rust/wasm/tests/*.test.mjs

web: demo-site ## Serve the demo page on 127.0.0.1, PORT=8000 (run make demo first)
	node examples/web/serve.mjs target/web $(PORT)

lighthouse: demo-site $(NODE_MODULES) $(WEB_NODE_MODULES) ## Print Lighthouse's scores of the demo page; below 95 is an error
	node examples/web/tests/lighthouse.mjs target/web

demo-site: $(DEMO_MODEL) $(DEMO_SMALL) wasm $(DEMO_TITLES)
	node examples/web/assemble.mjs $(DEMO_MODEL) $(DEMO_TITLES) target/web $(DEMO_SMALL)

$(DEMO_MODEL):
	@echo "make web: $@ does not exist. Train and export a model first: make demo (a few minutes)" >&2; exit 1

$(DEMO_SMALL): $(DEMO_MODEL)
	$(BIN)/recgrela-train export runs/demo --table int8 --matrices int8 --output $@ --no-readme

$(DEMO_TITLES): $(DEMO_MODEL) examples/web/titles.py $(READY)
	$(BIN)/python examples/web/titles.py runs/demo $@

test-page: wasm $(NODE_MODULES) $(WEB_NODE_MODULES) ## Test the demo page in headless Chromium (needs Debian packages)
	node --test --test-concurrency=1 examples/web/tests/*.test.mjs

test-asan: ## Run the engine's tests under AddressSanitizer (x86-64 Linux)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=allocator_may_return_null=1 \
		cargo test --quiet --tests --target x86_64-unknown-linux-gnu --package recgrela --package recgrela-fuzz

test-bindings: setup wasm $(NODE_MODULES) ## Print the golden hash of every binding (needs Debian packages)
	.ci/test-bindings

release-check: setup wasm $(NODE_MODULES) ## Build, install and test each artefact of a release outside the repository (needs Debian packages)
	.ci/release-check

test-server: setup ## Test examples/server with 20 kills, Redis and 1,000 idle connections (needs Debian's redis-server)
	$(BIN)/python -m pytest -q -m 'load or not load' tests/server

install-c: ## Install the C library, header and pkg-config file under PREFIX (/usr/local)
	cargo rustc --quiet --profile $(PROFILE) -p recgrela-ffi -- -C link-arg=-Wl,-soname,$(SONAME)
	install -D -m 644 rust/ffi/include/recgrela.h $(DESTDIR)$(PREFIX)/include/recgrela.h
	install -D -m 755 -s $(BUILT)/librecgrela.so $(DESTDIR)$(PREFIX)/lib/librecgrela.so.$(VERSION)
	ln -sf librecgrela.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/librecgrela.so
	install -D -m 644 $(BUILT)/librecgrela.a $(DESTDIR)$(PREFIX)/lib/librecgrela.a
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@URL@|$(URL)|' rust/ffi/recgrela.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/recgrela.pc

fuzz: ## Fuzz each target for FUZZ_SECONDS (600), two in parallel
	fuzz/run $(or $(FUZZ_SECONDS),600)

lock: ## Resolve constraints.txt again, to the newest versions (then run make test and commit it)
	$(PYTHON) -m venv .lock
	.lock/bin/pip install --quiet uv
	.lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
		--group pyproject.toml:dev --group pyproject.toml:docs training/pyproject.toml --output-file constraints.txt

lint: setup ## Check formatting, lints and type stubs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features recgrela/internals,recgrela/threads --quiet -- -D warnings
	cargo check --quiet -p recgrela --no-default-features
	RUSTDOCFLAGS=-Dwarnings cargo doc --quiet --no-deps -p recgrela --features threads
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/python -m mypy --no-error-summary
	$(BIN)/python -m mypy.stubtest recgrela._core

format: setup ## Format all sources
	cargo fmt --all
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

bench: setup ## Time the engine against ONNX Runtime, PyTorch, NumPy and usearch, into runs/bench.json
	$(BIN)/python -m benchmarks.latency --output runs/bench.json

pictures: setup ## Plot runs/bench.json into docs/images
	$(BIN)/python -m benchmarks.pictures runs/bench.json docs/images

report-picture: setup ## Draw the report of runs/demo into docs/images (run make demo first; needs Debian's chromium)
	$(BIN)/recgrela-train report runs/demo
	chromium --headless --no-sandbox --hide-scrollbars --window-size=1000,5600 --screenshot=docs/images/report.png runs/demo/report.html
	$(BIN)/python -c "import sys; from PIL import Image; Image.open(sys.argv[1]).quantize(64).save(sys.argv[1], optimize=True)" docs/images/report.png

size: setup ## Check size of wheel and libraries, memory and load time against their budgets
	$(BIN)/python -m benchmarks.size

bench-training: setup ## Measure the training step, time per position by length, and memory of the loss
	$(BIN)/python -m benchmarks.training_step
	$(BIN)/python -m benchmarks.large_catalogue

bench-evaluation: setup ## Rank 100,000 users over 1,000,000 items: users a second, peak memory
	$(BIN)/python -m benchmarks.evaluation

bench-fleet: setup ## Time a fleet of 100,000 users against plain memory traffic and single sessions, into runs/fleet.json
	$(BIN)/python -m benchmarks.latency --parts fleet --output runs/fleet.json

bench-batch: setup ## Measure recgrela batch: events and users per second on one core, peak memory by events
	$(BIN)/python -m benchmarks.batch

bench-data: setup ## Time recgrela-train prepare on 100 million events, with its peak memory (needs 12 GB of disk)
	$(BIN)/python -m benchmarks.prepare_data

end-to-end: setup ## Time every step from 100 million synthetic events to recommendations (hours; 20 GB of disk)
	$(BIN)/python -m benchmarks.end_to_end

bench-dependent: setup ## Time an event from Rust and Python, also as another crate builds the engine
	$(BIN)/python -m benchmarks.dependent

bench-kernels: ## Time each kernel on every instruction set, in bytes per second
	cargo bench -p recgrela --features internals --bench kernels -- --noplot

bench-web: setup wasm $(NODE_MODULES) ## Time the npm package against the native engine and onnxruntime-web
	$(BIN)/python -m benchmarks.web

bench-server: setup ## Load examples/server: RATE (1000) requests per second for SECONDS (300), STORE=redis://... MODEL=file
	$(BIN)/python -m benchmarks.service --rate $(or $(RATE),1000) --seconds $(or $(SECONDS),300) \
		$(if $(STORE),--store $(STORE)) $(if $(MODEL),--model $(MODEL))

parity: setup ## Compare all scores of RUN=folder with the float64 reference
	$(BIN)/python -m benchmarks.parity $(or $(RUN),$(error RUN is not set. Pass a finished run: make parity RUN=runs/demo))

agree: setup ## Repeat every metric of RUN=folder with its exported file and the engine
	$(BIN)/python -m benchmarks.agree $(or $(RUN),$(error RUN is not set. Pass an exported run: make agree RUN=runs/demo))

long-histories: setup ## Evaluate RUN=folder on histories 100 times longer than any in training
	$(BIN)/python -m benchmarks.long_histories $(or $(RUN),$(error RUN is not set. Pass a finished run: make long-histories RUN=runs/demo))

update: setup ## Measure a week's update of a deployed model against a full refit on MovieLens-100K
	$(BIN)/python -m benchmarks.update --rounds $(or $(ROUNDS),1)

kinds: setup ## Train with and without kinds on events whose best possible metrics are known
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.kinds

gaps: setup ## Train with and without model.gaps, three seeds, on events whose best possible metrics are known
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.gaps

experiments: setup ## Compare changes of training/configs/ml-1m.yaml on SOURCE=file with SEEDS (1) seeds, resumable
	$(BIN)/python -m benchmarks.experiments --seeds $(or $(SEEDS),1) $(if $(SOURCE),--set data.source=$(SOURCE))

epoch-cost: setup ## Time a training epoch of the paper's form and of ours (SOURCE=file, default ml-100k)
	$(BIN)/python -m benchmarks.epoch_cost --set data.source=$(or $(SOURCE),ml-100k) --set model.num_layers=4

peers: $(READY) $(PEERS) ## Train RecTools and RecBole beside ours, MINUTES (20) of CPU each (CONFIG, SOURCE=file)
	$(BIN)/python -m benchmarks.peers --config $(PEERS_CONFIG) --minutes $(or $(MINUTES),20) \
		$(if $(SOURCE),--set data.source=$(SOURCE)) --output runs/peers/$(notdir $(basename $(PEERS_CONFIG)))

# The environments borrow PyTorch from .venv: the same version for all, and gigabytes less. pip may
# report conflicts with other packages of .venv, which the contenders do not use.
.peers/%/ready: benchmarks/peers/requirements-%.txt $(READY)
	$(PYTHON) -m venv --clear .peers/$*
	$(BIN)/python -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1])' \
		> $$(.peers/$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch.pth
	.peers/$*/bin/pip install --quiet -r $<
	@touch $@

clean: ## Delete build outputs (not .venv, not runs)
	cargo clean
