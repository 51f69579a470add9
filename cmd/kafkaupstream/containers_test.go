package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// repository is a file of the repository.
func repository(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// compose is what the tests read of examples/docker-compose.yml.
type compose struct {
	Services map[string]struct {
		Image       string
		Environment map[string]*string
		Volumes     []string
		Ports       []string
	}
	Volumes map[string]any
}

func readCompose(t *testing.T) (c compose) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(repository(t, "examples/docker-compose.yml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// buildah and podman of Debian and others have no registry for names without one.
func TestImagesAreNamedWithTheirRegistry(t *testing.T) {
	names := map[string]string{}
	for _, arg := range regexp.MustCompile(`\b([A-Z]+_IMAGE)=(\S+)`).FindAllStringSubmatch(repository(t, "Dockerfile")+repository(t, "build.sh"), -1) {
		names[arg[1]+" "+arg[2]] = arg[2]
	}
	for service, s := range readCompose(t).Services {
		if !strings.HasPrefix(s.Image, "${IMAGE:-") { // which is built here
			names[service] = s.Image
		}
	}
	if len(names) < 5 {
		t.Errorf("%d images: %v", len(names), names)
	}
	for where, name := range names {
		if registry, _, _ := strings.Cut(name, "/"); !strings.Contains(registry, ".") {
			t.Errorf("%s: %s has no registry", where, name)
		}
	}
}

// Everything that docs/configuration.md's tables name works in the containers.
func TestContainersHaveASpoolMetricsAndEachVariable(t *testing.T) {
	const spool = "/var/lib/kafkaupstream"
	c := readCompose(t)
	_, usage, _ := runHere(nil, "run", "--help")
	variables := regexp.MustCompile(`\[(KAFKAUPSTREAM_[A-Z_]+)\]`).FindAllStringSubmatch(usage, -1)
	for _, name := range []string{"apisix", "apisix-standalone"} {
		s := c.Services[name]
		for _, v := range variables {
			if _, ok := s.Environment[v[1]]; !ok {
				t.Errorf("%s: %s is not passed on", name, v[1])
			}
		}
		for variable, want := range map[string]string{"KAFKAUPSTREAM_SPOOL_DIR": spool, "KAFKAUPSTREAM_ADMIN": "0.0.0.0:9190"} {
			if got := s.Environment[variable]; got == nil || *got != want {
				t.Errorf("%s: %s is not %s", name, variable, want)
			}
		}
		if !slices.Contains(s.Volumes, "spool:"+spool) || !slices.Contains(s.Ports, "127.0.0.1:9190:9190") {
			t.Errorf("%s: volumes %q, ports %q", name, s.Volumes, s.Ports)
		}
	}
	if _, ok := c.Volumes["spool"]; !ok {
		t.Error("there is no volume spool")
	}
	// A volume that is new gets the owner of what the image has at its place: else APISIX's user could not write to it.
	dockerfile := repository(t, "Dockerfile")
	if !strings.Contains(dockerfile, "mkdir -p -m 0700 /out/spool/kafkaupstream ") || strings.Count(dockerfile, "\nCOPY --from=build --chown=636:636 /out/spool /var/lib\n") != 2 {
		t.Error("the image has no spool directory of APISIX's user, 636")
	}
}

// One is compiled for the platform that it is for, whatever the builder's; none runs as root, and the notices go with the binary.
func TestImagesAreCompiledAcrossAndRunAsTheGatewaysUser(t *testing.T) {
	stages := strings.Split(repository(t, "Dockerfile"), "\nFROM ")[1:]
	if len(stages) != 3 || !strings.HasPrefix(stages[0], "--platform=$BUILDPLATFORM ") {
		t.Fatalf("%q", stages)
	}
	if !strings.Contains(stages[0], `release/build.sh "$TARGETARCH" /out/kafkaupstream`) {
		t.Error("the first stage does not build for TARGETARCH")
	}
	for _, image := range stages[1:] {
		if strings.Contains(image, "\nRUN ") {
			t.Errorf("a step would be emulated: %s", image)
		}
		if !strings.Contains(image, "COPY --from=build /out/usr/share /usr/share\n") {
			t.Errorf("no notices: %s", image)
		}
		own := strings.Contains(image, "\nUSER 636:636\n") && strings.Contains(image, "\nHEALTHCHECK ")
		if !own && !strings.HasPrefix(image, "${APISIX_IMAGE} ") { // which is as APISIX made it
			t.Errorf("no user, or no health: %s", image)
		}
	}
}
