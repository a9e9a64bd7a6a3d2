package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

var (
	crashCycles = flag.Int("cycles", 25, "how often the crash tests crash")
	crashSeed   = flag.Uint64("seed", 0, "seed of the crash tests; 0 draws one")
)

func seeded(t *testing.T) *rand.Rand {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func TestCrashLosesAndDoublesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: not with -short; make test-services runs it")
	}
	random := seeded(t)
	s := newServer(t, t.TempDir())
	s.start()
	n := newNumbered(s, 8)
	for cycle := range *crashCycles {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); n.run(ctx, cycle) }()
		<-time.After(time.Duration(100+random.IntN(1400)) * time.Millisecond)
		s.kill()
		cancel()
		<-done
		start := time.Now()
		s.start()
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("cycle %d: the start after the crash took %s", cycle, took)
		}
	}
	t.Logf("%d cycles", *crashCycles)
	n.verify(t)
}

func TestTermStopsWithinTenSecondsAndLosesNothing(t *testing.T) {
	s := newServer(t, t.TempDir())
	s.start()
	n := newNumbered(s, 8)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); n.run(ctx, 0) }()
	s.eventually(10*time.Second, "some items are acknowledged", func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.acked) < 2000 {
			return fmt.Errorf("%d items", len(n.acked))
		}
		return nil
	})
	start := time.Now()
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the end took %s", took)
	}
	cancel()
	<-done
	s.start()
	n.verify(t)
}

// disk is a file system in a file, mounted: one that can lose its power and one
// that can be full.
func disk(t *testing.T, megabytes int64) (mount string, remount func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a file system of its own")
	}
	dir := t.TempDir()
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Truncate(megabytes<<20), file.Close()); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		t.Skipf("needs mkfs.ext4: %v %s", err, out)
	}
	up := func() ([]byte, error) { return exec.Command("mount", "-o", "loop", image, mount).CombinedOutput() }
	if out, err := up(); err != nil {
		t.Skipf("needs loop devices: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", mount).Run() })
	return mount, func() {
		t.Helper()
		if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
			t.Fatalf("umount: %v %s", err, out)
		}
		if out, err := up(); err != nil {
			t.Fatalf("mount: %v %s", err, out)
		}
	}
}

// cutPower shuts the file system down without writing its journal, so that what
// was not synced is gone.
func cutPower(t *testing.T, mount string) {
	t.Helper()
	const shutdown = 0x8004587d // EXT4_IOC_SHUTDOWN
	dir, err := os.Open(mount)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	withoutLogFlush := uint32(2)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), shutdown, uintptr(unsafe.Pointer(&withoutLogFlush))); errno != 0 {
		t.Skipf("the file system cannot be shut down: %v", errno)
	}
}

// freeze stops the process and waits until it stands still: an acknowledgement
// must not leave after the power is cut.
func (s *serverProcess) freeze() {
	s.t.Helper()
	s.command.Process.Signal(syscall.SIGSTOP)
	s.eventually(10*time.Second, "the process stands still", func() error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
		if err == nil && !strings.Contains(string(status), "State:\tT") {
			err = errors.New("it runs")
		}
		return err
	})
}

func TestPowerLossLosesAndDoublesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: not with -short; make test-services runs it")
	}
	random := seeded(t)
	mount, remount := disk(t, 4096)
	s := newServer(t, filepath.Join(mount, "data"), "WEIR_MIN_FREE=1MB")
	s.start()
	n := newNumbered(s, 8)
	cycles := max(1, *crashCycles/5)
	for cycle := range cycles {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); n.run(ctx, cycle) }()
		<-time.After(time.Duration(300+random.IntN(1500)) * time.Millisecond)
		s.freeze()
		cutPower(t, mount)
		s.kill()
		cancel()
		<-done
		remount()
		s.start()
	}
	t.Logf("%d cycles", cycles)
	n.verify(t)
	s.kill()
}

func TestFullDiskIsAnsweredWith503AndRecovers(t *testing.T) {
	mount, _ := disk(t, 512)
	// The guard is far below what the disk has: the filler runs into the end of
	// the disk itself.
	s := newServer(t, filepath.Join(mount, "data"), "WEIR_MIN_FREE=1KB")
	s.start()
	n := newNumbered(s, 4)
	if !n.post(t.Context(), []string{"before"}) {
		t.Fatal("the server takes nothing on an empty disk")
	}
	filler := filepath.Join(mount, "filler")
	fill(t, filler)
	s.eventually(20*time.Second, "a full disk is answered with 503", func() error {
		n.post(t.Context(), []string{fmt.Sprintf("full-%d", len(n.offered))})
		if n.refused == 0 {
			return errors.New("still taken")
		}
		return nil
	})
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.eventually(30*time.Second, "it takes items again without a restart", func() error {
		if !n.post(t.Context(), []string{"after"}) {
			return errors.New("still refused")
		}
		return nil
	})
	n.verify(t)
	s.kill()
}

// fill writes a file until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size >= 512; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
	file.Sync()
}
