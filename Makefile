STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME   ?= 10s

.PHONY: build test lint unit fuzz kafka chaos bench deps

build: ## the binary, in ./bin
	go build -trimpath -o bin/kafkaupstream ./cmd/kafkaupstream

test: lint unit fuzz kafka ## everything, as CI does

lint: ## formatting, vet, staticcheck (rules in staticcheck.conf), shellcheck
	@test -z "$$(gofmt -l .)" || { echo "not gofmt'ed:"; gofmt -l .; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	shellcheck -x scripts/*.sh examples/*.sh build.sh .ci/run .ci/promtool

unit: ## tests without a real broker, with the race detector
	go test -race $$(go list ./... | grep -v /test/)
	go test -count=1 -run 'BodiesOfEverySize' ./internal/extplugin # in full: a tenth with -race

fuzz: ## every decoder, for FUZZTIME each
	go test -run '^$$' -fuzz '^FuzzCompactJSON$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./utils
	go test -run '^$$' -fuzz '^FuzzIsJSONMediaType$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./utils
	go test -run '^$$' -fuzz '^FuzzFrames$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./internal/extplugin
	go test -run '^$$' -fuzz '^FuzzParseRoute$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./plugins/kafkaupstream
	go test -run '^$$' -fuzz '^FuzzRequest$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./plugins/kafkaupstream
	go test -run '^$$' -fuzz '^FuzzTemplate$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./plugins/kafkaupstream
	go test -run '^$$' -fuzz '^FuzzSegment$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./internal/spool
	go test -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./internal/cloudevents
	go test -run '^$$' -fuzz '^FuzzScan$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./internal/idempotency
	go test -run '^$$' -fuzz '^FuzzValidate$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./internal/schema
	go test -run '^$$' -fuzz '^FuzzCompile$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./internal/schema
	go test -run '^$$' -fuzz '^FuzzExtract$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./internal/tracing
	go test -run '^$$' -fuzz '^FuzzCheck$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 100x ./internal/secrets

kafka: ## tests against real Apache Kafka, of the command line and the scripts, and a short form of chaos (as root)
	go test -p 1 -timeout 20m ./test/...

chaos: ## the ledger under every fault in full: 20,000 records each, outages of 30 s (half an hour; as root, for a tmpfs)
	go test -count=1 -timeout 90m -v ./test/chaos -args -full -records=20000 -outage=30s

bench: ## the host against the stock runner
	go run ./bench

deps: ## Debian's packages that the tests need (as root)
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends curl jq kcat shellcheck
	.ci/promtool
