package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// kinds are the types of what the files have.
var kinds = map[string]func() any{
	"v1 ConfigMap":                            func() any { return &core.ConfigMap{} },
	"v1 Secret":                               func() any { return &core.Secret{} },
	"v1 Service":                              func() any { return &core.Service{} },
	"apps/v1 Deployment":                      func() any { return &apps.Deployment{} },
	"apps/v1 StatefulSet":                     func() any { return &apps.StatefulSet{} },
	"policy/v1 PodDisruptionBudget":           func() any { return &policy.PodDisruptionBudget{} },
	"autoscaling/v2 HorizontalPodAutoscaler":  func() any { return &autoscaling.HorizontalPodAutoscaler{} },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
}

const folder = "../../examples/kubernetes/serve"

// besideAPISIX has what goes with APISIX in a cluster. What is not listed here is Helm's, or of APISIX's ingress controller,
// whose types are in no module.
const besideAPISIX = "../../examples/kubernetes/apisix"

var kindsBesideAPISIX = map[string]func() any{
	"v1 PersistentVolumeClaim":                func() any { return &core.PersistentVolumeClaim{} },
	"v1 Pod":                                  func() any { return &core.Pod{} },
	"monitoring.coreos.com/v1 PodMonitor":     func() any { return &monitoring.PodMonitor{} },
	"monitoring.coreos.com/v1 PrometheusRule": func() any { return &monitoring.PrometheusRule{} },
}

// read returns the documents of all of a folder's files, decoded, by kind.
func read(t *testing.T, folder string, kinds map[string]func() any, others ...string) map[string][]any {
	t.Helper()
	all := map[string][]any{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") || slices.Contains(others, d.Name()) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		docs := yaml.NewYAMLReader(bufioReader(text))
		for {
			doc, err := docs.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			var head struct{ APIVersion, Kind string }
			if err := strict.Unmarshal(doc, &head); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			kind := head.APIVersion + " " + head.Kind
			make, known := kinds[kind]
			if !known {
				t.Errorf("%s: unknown kind %s", path, kind)
				continue
			}
			v := make()
			if err := strict.UnmarshalStrict(doc, v); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			all[kind] = append(all[kind], v)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestManifestsAreOfTheirKinds(t *testing.T) {
	all := read(t, folder, kinds)
	for kind := range kinds {
		if len(all[kind]) == 0 {
			t.Errorf("no %s", kind)
		}
	}
	all = read(t, besideAPISIX, kindsBesideAPISIX, "values.yaml", "values-daemonset.yaml", "route.yaml")
	for kind := range kindsBesideAPISIX {
		if len(all[kind]) != 1 {
			t.Errorf("%d of %s", len(all[kind]), kind)
		}
	}
}

// pods are the templates, by the kind of what makes them.
func pods(all map[string][]any) map[string]*core.PodTemplateSpec {
	return map[string]*core.PodTemplateSpec{
		"Deployment":  &all["apps/v1 Deployment"][0].(*apps.Deployment).Spec.Template,
		"StatefulSet": &all["apps/v1 StatefulSet"][0].(*apps.StatefulSet).Spec.Template,
	}
}

// The autoscaler asks for a series that docs/operations.md lists, which a test holds against those that there are.
func TestAutoscalersMetricIsThere(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range read(t, folder, kinds)["autoscaling/v2 HorizontalPodAutoscaler"][0].(*autoscaling.HorizontalPodAutoscaler).Spec.Metrics {
		if m.Pods != nil && !bytes.Contains(page, []byte("| `"+m.Pods.Metric.Name+"` |")) {
			t.Errorf("there is no series %s", m.Pods.Metric.Name)
		}
	}
}

func TestManifestsFitTogether(t *testing.T) {
	all := read(t, folder, kinds)
	if t.Failed() {
		return
	}
	service := all["v1 Service"][0].(*core.Service)
	for kind, pod := range pods(all) {
		c := pod.Spec.Containers[0]
		ports := map[string]bool{}
		for _, p := range c.Ports {
			ports[p.Name] = true
		}
		for _, p := range service.Spec.Ports {
			if !ports[p.TargetPort.String()] {
				t.Errorf("%s has no port %s", kind, p.TargetPort.String())
			}
		}
		for name, value := range service.Spec.Selector {
			if pod.Labels[name] != value {
				t.Errorf("%s: the service does not select it", kind)
			}
		}
		for _, v := range pod.Spec.Volumes {
			switch {
			case v.ConfigMap != nil && v.ConfigMap.Name != all["v1 ConfigMap"][0].(*core.ConfigMap).Name,
				v.Secret != nil && v.Secret.SecretName != all["v1 Secret"][0].(*core.Secret).Name:
				t.Errorf("%s: nothing is in the volume %s", kind, v.Name)
			}
		}
		// --leave-timeout and --drain-timeout take 15 s.
		if grace := pod.Spec.TerminationGracePeriodSeconds; grace == nil || *grace < 16 {
			t.Errorf("%s is killed before it has drained", kind)
		}
	}
	monitor, ports := all["monitoring.coreos.com/v1 ServiceMonitor"][0].(*monitoring.ServiceMonitor), map[string]bool{}
	for _, p := range service.Spec.Ports {
		ports[p.Name] = true
	}
	for _, e := range monitor.Spec.Endpoints {
		if !ports[e.Port] {
			t.Errorf("the service has no port %s", e.Port)
		}
	}
	scaled := all["autoscaling/v2 HorizontalPodAutoscaler"][0].(*autoscaling.HorizontalPodAutoscaler).Spec.ScaleTargetRef
	if scaled.Kind != "Deployment" || scaled.Name != all["apps/v1 Deployment"][0].(*apps.Deployment).Name {
		t.Errorf("what is scaled is %+v", scaled)
	}
}

// spoolOf is where a container has its spool, and where its volume is mounted.
func spoolOf(t *testing.T, c *core.Container) (dir, mounted string) {
	t.Helper()
	for _, v := range c.Env {
		if v.Name == "KAFKAUPSTREAM_SPOOL_DIR" {
			dir = v.Value
		}
	}
	for _, m := range c.VolumeMounts {
		if m.Name == "spool" {
			mounted = m.MountPath
		}
	}
	for _, arg := range c.Args {
		if strings.HasPrefix(arg, "--spool-dir") {
			t.Error("`kafkaupstream spool` in the container does not know", arg)
		}
	}
	return dir, mounted
}

// TestManifestsSpoolIsWhereTheRecoveryLooks holds the pod that looks at a volume against the one that has written there. The
// volume's own folder is root's, and `kafkaupstream spool` opens no spool of another user.
func TestManifestsSpoolIsWhereTheRecoveryLooks(t *testing.T) {
	text, err := os.ReadFile("../../examples/kubernetes/apisix/spool.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var recovery core.Pod
	if err := strict.UnmarshalStrict(text, &recovery); err != nil {
		t.Fatal(err)
	}
	serves := pods(read(t, folder, kinds))["StatefulSet"]
	dir, mounted := spoolOf(t, &serves.Spec.Containers[0])
	if filepath.Dir(dir) != mounted {
		t.Errorf("the spool %s is no folder in the volume at %s", dir, mounted)
	}
	if where, volume := spoolOf(t, &recovery.Spec.Containers[0]); where != dir || volume != mounted {
		t.Errorf("the spool is at %s in %s, and looked for at %s in %s", dir, mounted, where, volume)
	}
	if a, b := serves.Spec.SecurityContext, recovery.Spec.SecurityContext; *a.RunAsUser != *b.RunAsUser || *a.FSGroup != *b.FSGroup {
		t.Error("they have different users")
	}
}

func bufioReader(text []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(text)) }
