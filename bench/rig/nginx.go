package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// nginxConf is one process that answers what bench/runner's plugin does, without a look at the body, and keeps connections.
const nginxConf = `daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  client_max_body_size 32m;
  keepalive_requests 1000000000;
  client_body_temp_path %[1]s/nginx.body;
  server {
    listen unix:%[1]s/nginx.sock;
    default_type application/json;
    location / { return 200 '{"code":200,"message":"read, and nothing else","delivered":"no"}'; }
  }
}
`

func startNginx(ctx context.Context, dir string) (*Process, error) {
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir), 0o600); err != nil {
		return nil, err
	}
	return StartProcess(ctx, dir, "nginx", Nginx, "-p", dir, "-c", conf, "-e", "stderr")
}
