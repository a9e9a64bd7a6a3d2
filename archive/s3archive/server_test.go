package s3archive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive/archivetest"
	"github.com/weirhq/weir/frame"
)

// The tests run against Versity's S3 gateway, a real server that keeps objects
// as files. `make test-tools` installs it.
const (
	testBucket = "weir-test"
	accessKey  = "weir"
	secretKey  = "weir-secret"
)

var gateway struct {
	binary   string
	endpoint string
	dir      string // objects are files in dir/bucket
	missing  string // why there is none
	bucket   *minio.Client
	start    sync.Once // by the first test that needs it, which no fuzz target does
	stop     func()
}

func init() { gateway.stop = func() {} }

func TestMain(m *testing.M) {
	code := m.Run()
	gateway.stop()
	os.Exit(code)
}

func startGateway() (stop func(), err error) {
	binary := os.Getenv("WEIR_TEST_S3_SERVER")
	if binary == "" {
		found, err := filepath.Glob("../../bin/tools/versitygw-*")
		if err != nil || len(found) == 0 {
			gateway.missing = "no S3 server: run `make test-tools`, or set WEIR_TEST_S3_SERVER to the program versitygw"
			return func() {}, err
		}
		binary = found[len(found)-1]
	}
	dir, err := os.MkdirTemp("", "s3archive")
	if err != nil {
		return nil, err
	}
	stop = func() { os.RemoveAll(dir) }
	for _, sub := range []string{"objects", "sidecar", "iam"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return stop, err
		}
	}
	gateway.binary, gateway.dir = binary, filepath.Join(dir, "objects")
	if gateway.endpoint, err = freeAddress(); err != nil {
		return stop, err
	}
	server := exec.Command(binary, "--port", gateway.endpoint, "--access", accessKey, "--secret", secretKey, "--quiet",
		"--keep-alive", "--iam-dir", filepath.Join(dir, "iam"), "posix", "--sidecar", filepath.Join(dir, "sidecar"), gateway.dir)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output strings.Builder
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		return stop, err
	}
	stop = func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		os.RemoveAll(dir)
	}
	gateway.bucket, err = minio.New(gateway.endpoint, &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, ""), TrailingHeaders: true})
	if err != nil {
		return stop, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := gateway.bucket.MakeBucket(ctx, testBucket, minio.MakeBucketOptions{})
		if err == nil {
			return stop, nil
		}
		if ctx.Err() != nil {
			stop()
			return func() {}, fmt.Errorf("%w: %s", err, output.String())
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

var prefixes atomic.Int64

// onServer is options for an archive of its own on the server.
func onServer(t testing.TB) Options {
	t.Helper()
	gateway.start.Do(func() {
		stop, err := startGateway()
		if err != nil {
			t.Fatalf("start S3 server: %v", err)
		}
		gateway.stop = stop
	})
	if gateway.missing != "" {
		if os.Getenv("WEIR_TEST_SERVICES") == "required" {
			t.Fatal(gateway.missing)
		}
		t.Skip(gateway.missing)
	}
	return Options{
		Endpoint: gateway.endpoint, Bucket: testBucket, Prefix: fmt.Sprint("archive/", prefixes.Add(1)), Region: "us-east-1",
		AccessKey: accessKey, SecretKey: secretKey, Insecure: true, PathStyle: true, CompactEvery: -1,
	}
}

func open(t testing.TB, opts Options) *Archive {
	t.Helper()
	a, err := Open(t.Context(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func appendTo(t testing.TB, a *Archive, frames ...frame.Sealed) {
	t.Helper()
	if err := a.Append(t.Context(), frames); err != nil {
		t.Fatal(err)
	}
}

// numbered is frames of 2 records in a partition, from the i-th to the one
// before the n-th.
func numbered(t testing.TB, partition, i, n int) (out []frame.Sealed) {
	t.Helper()
	for ; i < n; i++ {
		out = append(out, archivetest.Frame(t, partition, uint64(2*i+1), 2, weir.Micros(i+1)))
	}
	return out
}

// replayed is what Replay gives: the first sequence number of each frame by
// partition, and the damages.
func replayed(t testing.TB, a *Archive) (firsts map[int][]uint64, damages []error) {
	t.Helper()
	firsts = map[int][]uint64{}
	err := a.Replay(t.Context(), 0, 0, func(f frame.Sealed, damage error) error {
		if damage != nil {
			if !errors.Is(damage, frame.ErrCorrupt) || f != nil {
				t.Errorf("damage %v with frame %v", damage, f)
			}
			damages = append(damages, damage)
			return nil
		}
		h, err := frame.ReadHeader(f)
		if err == nil {
			err = frame.Verify(f)
		}
		firsts[h.Partition] = append(firsts[h.Partition], h.First)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return firsts, damages
}

// wholly makes sure that an archive, opened anew, gives n frames of numbered in
// each of the partitions, each once and in order, and reads what is in them.
func wholly(t testing.TB, opts Options, n int, partitions ...int) {
	t.Helper()
	a := open(t, opts)
	firsts, damages := replayed(t, a)
	if len(damages) != 0 {
		t.Errorf("damages %v", damages)
	}
	if len(firsts) != len(partitions) {
		t.Errorf("replay gave %d partitions, want %v", len(firsts), partitions)
	}
	for _, p := range partitions {
		if len(firsts[p]) != n {
			t.Fatalf("partition %d: replay gave %d frames %v, want %d", p, len(firsts[p]), firsts[p], n)
		}
		for i, first := range firsts[p] {
			if first != uint64(2*i+1) {
				t.Fatalf("partition %d: replay gave %v", p, firsts[p])
			}
		}
		for _, i := range []int{0, n / 3, n - 1} {
			at := weir.At(p, uint64(2*i+2))
			if r, err := a.Read(t.Context(), at); err != nil || string(r.Raw) != at.String() {
				t.Errorf("read %s: %q, %v", at, r.Raw, err)
			}
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// objectsOf lists the keys of an archive below a folder.
func placesOf(t testing.TB, a *Archive, folder string) []place {
	t.Helper()
	places, err := a.store.places(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	return places
}

// admin runs a command of the server's administration.
func admin(t testing.TB, command ...string) {
	t.Helper()
	args := append([]string{"admin", "--access", accessKey, "--secret", secretKey, "--endpoint-url", "http://" + gateway.endpoint}, command...)
	if output, err := exec.CommandContext(t.Context(), gateway.binary, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command[0], err, output)
	}
}
