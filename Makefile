STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
# An error that nobody looks at is a lost record that nobody hears of. .errcheck lists what may be ignored.
ERRCHECK = github.com/kisielk/errcheck@v1.30.0
ACTIONLINT = github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
# Runs, not seconds: the end of a time is sometimes reported as a failure ("context deadline
# exceeded", golang/go#75804).
FUZZTIME   ?= 500x

# Each fuzz test and its package.
DECODERS = FuzzCompactJSON@utils FuzzIsJSONMediaType@utils FuzzFrames@internal/extplugin FuzzDecode@internal/gateway \
	FuzzParseRoute@internal/routeconf FuzzTemplate@internal/routeconf FuzzRequest@plugins/kafkaupstream \
	FuzzSegment@internal/spool FuzzDecode@internal/cloudevents FuzzScan@internal/idempotency \
	FuzzLookaround@internal/schema/guard FuzzBackReferences@internal/schema/guard FuzzValidate@internal/schema FuzzCompile@internal/schema FuzzAvro@internal/schema FuzzProtobuf@internal/schema FuzzCheck@internal/secrets \
	FuzzOPAL@internal/envelope FuzzOslo@internal/envelope FuzzHTTP@internal/envelope FuzzParse@internal/transporturl \
	FuzzRead@internal/routefile FuzzRead@internal/apisixroute FuzzWrittenIsRead@internal/apisixroute FuzzVariables@internal/apisixroute \
	FuzzReply@internal/check/port FuzzLint@internal/check FuzzNormalize@internal/librdkafka FuzzBrokers@internal/kafkaconf FuzzRedactor@internal/kafkaconf FuzzBodies@internal/restproxy FuzzParsePath@internal/restproxy FuzzAppendQuoted@internal/jsonvalue FuzzParse@internal/form FuzzRecord@internal/console FuzzExtract@internal/tracing \
	FuzzSettlement@internal/ledger FuzzReply@internal/ledger FuzzParse@internal/bytesize

.PHONY: help build test lint unit fuzz kafka interop chaos apisix bench bench-once bench-compare performance screenshot recording site musl vulnerabilities release reproducible deps

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## the binary, in ./bin
	go build -trimpath -o bin/kafkaupstream ./cmd/kafkaupstream

test: deps lint unit fuzz kafka ## everything, as CI does: what is missing first, then from the cheap to the dear

lint: ## formatting, go.mod, vet, staticcheck (rules in staticcheck.conf), errcheck (exceptions in .errcheck), shellcheck, actionlint, the list of decoders
	@test -z "$$(gofmt -l .)" || { echo "not gofmt'ed:"; gofmt -l .; exit 1; }
	go mod tidy -diff
	go vet ./...
	go run $(STATICCHECK) ./...
	go run $(ERRCHECK) -ignoretests -exclude .errcheck ./...
	shellcheck -x scripts/*.sh examples/*.sh examples/serve/*.sh release/*.sh docs/site/*.sh build.sh .ci/run .ci/needs .ci/promtool
	shellcheck -s bash cmd/kafkaupstream/completion/bash
	go run $(ACTIONLINT)
	cd test/manifests && go mod tidy -diff && go vet ./... && go test ./... # examples/kubernetes; a module of its own
	@for f in $$(grep -rho '^func Fuzz[A-Za-z]*' --include=*_test.go . | cut -c6- | sort -u); do \
	  grep -q "$$f@" Makefile || { echo "$$f is not in DECODERS"; exit 1; }; \
	done

# Twice as many packages at a time as there are processors: the longest wait for most of their time.
# Nothing in those that run alone runs beside anything else, and they take ten times as long with -race.
ALONE = ./utils ./internal/schema/guard

unit: ## tests without a real broker, with the race detector where anything runs at the same time (as root on Linux, for mounts)
	go test -p $$((2 * $$(getconf _NPROCESSORS_ONLN))) -race -skip HostileValuesCostLittle $$(go list ./... | grep -v -e /test/ $(ALONE:./%=-e /%$$))
	go test $(ALONE)
	go test -count=1 -run 'HostileValuesCostLittle' ./internal/schema
	go test -count=1 -run 'BodiesOfEverySize' ./internal/extplugin # in full: a tenth with -race
	go test -asan -count=1 ./internal/librdkafka # C's memory: leaks, and accesses that are invalid

fuzz: ## every decoder, FUZZTIME runs each
	@printf '%s\n' $(DECODERS) | xargs -P $$(getconf _NPROCESSORS_ONLN) -I {} sh -c 'f={}; \
	  go test -run "^$$" -fuzz "^$${f%@*}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "./$${f#*@}" || { echo "fuzz $$f failed"; exit 255; }'

# They build what they test: Go's cache does not see it change. The longest goes first, and chaos alone.
kafka: ## tests against real Apache Kafka, of the command line, the scripts and the console, interop, and a short form of chaos (as root)
	go test -count=1 -p 3 -timeout 30m ./test/kafka $$(go list ./test/... | grep -v /test/chaos)
	go test -count=1 -timeout 30m ./test/chaos

interop: ## the neighbours' real software, and clients of the REST Proxy, installed from their registries, against real Kafka
	go test -count=1 -timeout 10m ./test/interop

chaos: ## the ledger under every fault in full: 20,000 records each, outages of 30 s (two hours; as root, for a tmpfs)
	go test -count=1 -parallel 1 -timeout 4h -v ./test/chaos -args -full -records=20000 -outage=30s

apisix: ## APISIX, etcd and Kafka in containers, reloads and a killed worker under load, judged by verify (needs docker)
	examples/verify.sh

bench: ## the host against the stock runner
	go run ./bench

bench-once: ## every benchmark of the packages once, so that none rots (two minutes; two of them with real Kafka)
	go test -run '^$$' -bench . -benchtime 1x $$(grep -rl '^func Benchmark' --include=*_test.go . | xargs -n 1 dirname | sort -u)

BASE      ?= main
THRESHOLD ?= 1.05
bench-compare: ## CPU time of a request against BASE=main, in turns (six minutes); exits 1 above THRESHOLD=1.05
	go run ./bench/compare -base $(BASE) -threshold $(THRESHOLD)

RESULTS = docs/performance
performance: ## docs/performance.md measured, drawn and written anew (half an hour on a machine that does nothing else; with real Kafka and nginx)
	go run ./bench -rounds 5 -json $(RESULTS)/embedded.json
	go run ./bench -rounds 5 -brokers 3 -sizes 200,10000 -connections 1,16,32,64 -subjects stock,async,sync,durable,serve-async,serve-sync,nginx -json $(RESULTS)/kafka.json
	go run ./bench/curves -json $(RESULTS)/curves.json
	go run ./bench/plot

screenshot: ## docs/console.png again (with Debian's fonts-inter and fonts-jetbrains-mono, as it was made)
	go test -count=1 -run Screenshot ./test/console -args -screenshot

recording: ## docs/recording.svg again: a terminal that runs dev and curl
	go test -count=1 -run Recording ./cmd/kafkaupstream -args -update

site: ## the documents as a site, in dist/site (with npm)
	docs/site/build.sh

musl: ## unit tests, linked as the released binary is (Linux, python3 with pip)
	release/musl.sh $$(go env GOARCH) go test -tags musl -ldflags "-linkmode external -extldflags -static" $$(go list ./... | grep -v /test/)

vulnerabilities: ## known ones in what is called here, by Go's database
	go run $(GOVULNCHECK) ./...

release: ## static binaries for amd64 and arm64 as archives, deb and rpm, with bills of materials, in ./dist (Linux, python3 with pip)
	release/release.sh

reproducible: ## the release twice, in two folders; exits 1 unless the bytes are the same (ten minutes)
	release/reproducible.sh

deps: ## what the tests need: installed on Debian as root, elsewhere named with the command
	.ci/needs
