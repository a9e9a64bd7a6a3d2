package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	ask := func(s *serverProcess, args ...string) (code int, out string) {
		var text bytes.Buffer
		code = run(t.Context(), append([]string{"health", "--listen", s.addr}, args...), &text, &text)
		return code, text.String()
	}
	s := newServer(t, t.TempDir())
	if code, out := ask(s); code != exitFailure || !strings.Contains(out, "ask the server") {
		t.Errorf("nobody listens: exit code %d, %q", code, out)
	}
	s.start()
	if code, out := ask(s); code != exitOK || !strings.Contains(out, `"ready":true`) {
		t.Errorf("a server that works: exit code %d, %q", code, out)
	}

	full := newServer(t, t.TempDir(), "WEIR_MIN_FREE=1000000TB")
	full.start()
	if code, out := ask(full); code != exitFailure || !strings.Contains(out, `"disk":"failing"`) {
		t.Errorf("a server whose disk is full: exit code %d, %q", code, out)
	}
	if code, out := ask(full, "--path=/healthz"); code != exitOK || !strings.Contains(out, `"alive":true`) {
		t.Errorf("a server that lives: exit code %d, %q", code, out)
	}
}
