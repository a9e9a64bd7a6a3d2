package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	workspace = "bench"
	secretKey = "sk_bench"
)

// server is a running process that answers on addr.
type server struct {
	addr    string
	admin   string
	data    string
	command *exec.Cmd
	client  *http.Client
}

// startServer runs the binary on an empty data directory.
func startServer(ctx context.Context, binary string, args ...string) (*server, error) {
	data, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &server{addr: addr, admin: admin, data: data, client: &http.Client{Timeout: time.Minute}}
	s.command = exec.CommandContext(ctx, binary, args...)
	s.command.Env = append(os.Environ(), "WEIR_LISTEN="+addr, "WEIR_ADMIN_LISTEN="+admin, "WEIR_DATA="+data,
		"WEIR_BOOTSTRAP_WORKSPACE="+workspace, "WEIR_BOOTSTRAP_SECRET_KEY="+secretKey)
	s.command.Stderr = os.Stderr
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		response, err := s.client.Get("http://" + addr + "/healthz")
		if err == nil {
			response.Body.Close()
			return s, nil
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("the server does not answer: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// stop ends the process and removes its data.
func (s *server) stop() {
	s.command.Process.Signal(syscall.SIGTERM)
	s.command.Wait()
	os.RemoveAll(s.data)
}

// rss is the resident memory in bytes.
func (s *server) rss() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in the status of process %d", s.command.Process.Pid)
}

// processor is the processor time that the process has used.
func (s *server) processor() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read processor time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// steps are the seconds that the pipeline has spent in each of its steps.
func (s *server) steps() (map[string]float64, error) {
	return s.counters("weir_pipeline_step_seconds_total", "step")
}

// processed is how many items the pipeline has been through, those included that came
// twice.
func (s *server) processed() (int, error) {
	counts, err := s.counters("weir_pipeline_items_total", "status")
	sum := 0.0
	for _, n := range counts {
		sum += n
	}
	return int(sum), err
}

// counters are a metric's values by its one label.
func (s *server) counters(metric, label string) (map[string]float64, error) {
	response, err := s.client.Get("http://" + s.admin + "/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	line := regexp.MustCompile(`(?m)^` + metric + `\{` + label + `="([a-z]+)"\} (\S+)$`)
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		if values[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			return nil, fmt.Errorf("read metrics: %w", err)
		}
	}
	return values, nil
}

// total asks how many events there are that match; where may be empty.
func (s *server) total(ctx context.Context, event, filters string) (int, error) {
	if filters == "" {
		filters = "[]"
	}
	body := fmt.Sprintf(`{"kind":"trends","from":"-40d","to":"today","interval":"day","series":[{"name":"A","event":%q,"filters":%s,"measure":"total"}]}`, event, filters)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/api/v1/workspaces/"+workspace+"/query", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+secretKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the server answered %s: %s", response.Status, bytes.TrimSpace(text))
	}
	var answer struct {
		Series []struct{ Total float64 }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, err
	}
	if len(answer.Series) == 0 {
		return 0, nil
	}
	return int(answer.Series[0].Total), nil
}
