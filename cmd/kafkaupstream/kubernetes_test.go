package main

import (
	"bytes"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const kubernetesFolder = "examples/kubernetes/apisix/"

// decode reads an object of the examples into v; a member that v does not have is an error.
func decode(t *testing.T, file string, v any) {
	t.Helper()
	dec := yaml.NewDecoder(bytes.NewReader([]byte(repository(t, kubernetesFolder+file))))
	dec.KnownFields(true)
	if err := dec.Decode(v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// What the examples use of Kubernetes, with the names that it has in core/v1.
type (
	k8sMount struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	}
	k8sVariable struct {
		Name, Value string
		ValueFrom   *struct {
			SecretKeyRef struct{ Name, Key string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
	k8sSecurity struct {
		RunAsUser  *int `yaml:"runAsUser"`
		RunAsGroup *int `yaml:"runAsGroup"`
		FSGroup    *int `yaml:"fsGroup"`
	}
	k8sContainer struct {
		Name, Image     string
		Command         []string
		Env             []k8sVariable
		SecurityContext k8sSecurity `yaml:"securityContext"`
		VolumeMounts    []k8sMount  `yaml:"volumeMounts"`
	}
	k8sVolume struct {
		Name     string
		EmptyDir *struct{}                    `yaml:"emptyDir"`
		HostPath *struct{ Path, Type string } `yaml:"hostPath"`
		Claim    *struct {
			ClaimName string `yaml:"claimName"`
		} `yaml:"persistentVolumeClaim"`
	}
	k8sObject[Spec any] struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct{ Name string }
		Spec       Spec
	}
)

// chart is what the examples set of the chart's values: the names are those of apisix-helm-chart 2.x.
type chart struct {
	Image              struct{ Repository, Tag string }
	UseDaemonSet       bool        `yaml:"useDaemonSet"`
	ReplicaCount       int         `yaml:"replicaCount"`
	UpdateStrategy     any         `yaml:"updateStrategy"`
	PodSecurityContext k8sSecurity `yaml:"podSecurityContext"`
	Apisix             struct {
		ExtPlugin struct {
			Enabled bool
			Cmd     []string
		} `yaml:"extPlugin"`
		Nginx struct {
			Envs                 []string
			ConfigurationSnippet struct {
				HTTPStart string `yaml:"httpStart"`
			} `yaml:"configurationSnippet"`
		}
	}
	ExtraEnvVars        []k8sVariable  `yaml:"extraEnvVars"`
	ExtraInitContainers []k8sContainer `yaml:"extraInitContainers"`
	ExtraVolumes        []k8sVolume    `yaml:"extraVolumes"`
	ExtraVolumeMounts   []k8sMount     `yaml:"extraVolumeMounts"`
}

func TestChartsValuesFitTogether(t *testing.T) {
	var values, daemons chart
	decode(t, "values.yaml", &values)
	decode(t, "values-daemonset.yaml", &daemons)
	_, usage, _ := runHere(nil, "run", "--help")
	var spool string
	for _, v := range values.ExtraEnvVars {
		if !slices.Contains(values.Apisix.Nginx.Envs, v.Name) {
			t.Errorf("%s is set, and not passed on", v.Name)
		}
		if strings.HasPrefix(v.Name, envPrefix) && !strings.Contains(usage, "["+v.Name+"]") {
			t.Errorf("there is no %s", v.Name)
		}
		if v.Name == "KAFKAUPSTREAM_SPOOL_DIR" {
			spool = v.Value
		}
	}
	if len(values.Apisix.Nginx.Envs) != len(values.ExtraEnvVars) || *values.PodSecurityContext.FSGroup != 636 || values.ReplicaCount != 1 || !values.Apisix.ExtPlugin.Enabled {
		t.Errorf("%+v", values)
	}
	for _, c := range []chart{values, daemons} {
		volumes := map[string]bool{}
		for _, v := range c.ExtraVolumes {
			volumes[v.Name] = true
		}
		at := map[string]string{}
		for _, m := range values.ExtraVolumeMounts {
			at[m.Name] = m.MountPath
		}
		for _, m := range c.ExtraInitContainers[0].VolumeMounts {
			if !volumes[m.Name] || at[m.Name] != m.MountPath {
				t.Errorf("%s is mounted at %s and at %s", m.Name, m.MountPath, at[m.Name])
			}
		}
		copied := c.ExtraInitContainers[0].Command
		if got := values.Apisix.ExtPlugin.Cmd[0]; !slices.Equal(copied, []string{"cp", "/usr/local/bin/kafkaupstream", got}) || path.Dir(got) != at["plugins"] {
			t.Errorf("%q is copied, %s is run", copied, got)
		}
		if path.Dir(spool) != at["spool"] || !volumes["spool"] {
			t.Errorf("the spool is at %s, the volume at %s", spool, at["spool"])
		}
	}
	if !strings.Contains(repository(t, "Dockerfile"), "COPY --from=build /out/kafkaupstream /usr/local/bin/kafkaupstream\n") {
		t.Error("the image has its binary elsewhere")
	}
}

// Bodies above nginx's 8 kB go through a file otherwise, which costs a third of its CPU time.
func TestEachExampleOfAPISIXKeepsBodiesInMemory(t *testing.T) {
	var values chart
	decode(t, "values.yaml", &values)
	snippets := map[string]string{"values.yaml": values.Apisix.Nginx.ConfigurationSnippet.HTTPStart}
	for _, file := range []string{"config.yaml", "standalone/config.yaml"} {
		var config struct {
			Nginx struct {
				HTTP string `yaml:"http_configuration_snippet"`
			} `yaml:"nginx_config"`
		}
		if err := yaml.Unmarshal([]byte(repository(t, "examples/apisix_conf/"+file)), &config); err != nil {
			t.Fatal(err)
		}
		snippets[file] = config.Nginx.HTTP
	}
	for file, snippet := range snippets {
		if snippet != "client_body_buffer_size 512k;\n" {
			t.Errorf("%s: %q", file, snippet)
		}
	}
}

func TestSpoolsVolumeIsThatOfTheGateway(t *testing.T) {
	var values chart
	decode(t, "values.yaml", &values)
	var claim k8sObject[struct {
		AccessModes []string `yaml:"accessModes"`
		Resources   struct{ Requests struct{ Storage string } }
	}]
	decode(t, "volume.yaml", &claim)
	var pod k8sObject[struct {
		RestartPolicy   string      `yaml:"restartPolicy"`
		SecurityContext k8sSecurity `yaml:"securityContext"`
		Containers      []k8sContainer
		Volumes         []k8sVolume
	}]
	decode(t, "spool.yaml", &pod)
	if claim.Kind != "PersistentVolumeClaim" || pod.Kind != "Pod" || claim.Metadata.Name != values.ExtraVolumes[1].Claim.ClaimName || claim.Metadata.Name != pod.Spec.Volumes[0].Claim.ClaimName {
		t.Errorf("%+v, %+v", claim, pod)
	}
	c := pod.Spec.Containers[0]
	if c.Env[0] != values.ExtraEnvVars[0] || c.VolumeMounts[0] != values.ExtraVolumeMounts[1] || *pod.Spec.SecurityContext.RunAsUser != 636 {
		t.Errorf("%+v", c)
	}
}

func TestRouteForKubernetesIsWhatTheCommandPrints(t *testing.T) {
	code, stdout, stderr := runHere(nil, "route", "-f", "../../"+kubernetesFolder+"orders.json", "--output", "k8s")
	if want := repository(t, kubernetesFolder+"route.yaml"); code != exitOK || "# kafkaupstream route -f orders.json --output k8s\n"+stdout != want {
		t.Errorf("exit code %d, %s, stdout\n%s\nnot\n%s", code, stderr, stdout, want)
	}
}

func TestAlertsForTheOperatorAreTheOthers(t *testing.T) {
	var operators k8sObject[struct{ Groups any }]
	decode(t, "prometheusrule.yaml", &operators)
	var rules struct{ Groups any }
	if err := yaml.Unmarshal([]byte(repository(t, "examples/prometheus/kafkaupstream.rules.yml")), &rules); err != nil {
		t.Fatal(err)
	}
	if operators.Kind != "PrometheusRule" || rules.Groups == nil || !reflect.DeepEqual(operators.Spec.Groups, rules.Groups) {
		t.Error("prometheusrule.yaml has not the groups of kafkaupstream.rules.yml")
	}
	var monitor k8sObject[struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		PodMetricsEndpoints []struct {
			Path, Interval string
			Relabelings    []struct {
				SourceLabels               []string `yaml:"sourceLabels"`
				Regex, Action, Replacement string
				TargetLabel                string `yaml:"targetLabel"`
			}
		} `yaml:"podMetricsEndpoints"`
	}]
	decode(t, "podmonitor.yaml", &monitor)
	if monitor.Kind != "PodMonitor" || monitor.Spec.PodMetricsEndpoints[0].Path != "/metrics" {
		t.Errorf("%+v", monitor)
	}
}
