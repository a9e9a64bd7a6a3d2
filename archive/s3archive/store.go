package s3archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/weirhq/weir/frame"
)

// store is the bucket, with keys below the prefix.
type store struct {
	client *minio.Client
	core   minio.Core // of client
	opts   Options
	idle   func()
	unsure sync.Once // the store did not confirm a checksum, and this was logged
}

// errGone is wrapped if an object is not there: deleted, since its frames are
// elsewhere by now.
var errGone = errors.New("object is gone")

func newStore(opts Options, m *metrics) (*store, error) {
	s := &store{opts: opts, idle: func() {}}
	transport := opts.Transport
	if transport == nil {
		own, err := minio.DefaultTransport(!opts.Insecure)
		if err != nil {
			return nil, fmt.Errorf("make transport: %w", err)
		}
		own.ResponseHeaderTimeout = opts.Timeout
		own.DialContext = (&net.Dialer{Timeout: opts.Timeout, KeepAlive: 30 * time.Second}).DialContext
		transport, s.idle = own, own.CloseIdleConnections
	}
	creds := credentials.NewIAM("")
	if opts.AccessKey != "" {
		creds = credentials.NewStaticV4(opts.AccessKey, opts.SecretKey, opts.SessionToken)
	}
	lookup := minio.BucketLookupAuto
	if opts.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.New(opts.Endpoint, &minio.Options{
		Creds: creds, Secure: !opts.Insecure, Region: opts.Region, BucketLookup: lookup,
		Transport: counting{transport, m.requests}, MaxRetries: opts.Tries,
		TrailingHeaders: true, // without it minio-go refuses checksums; none is sent as a trailer
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", opts.Endpoint, err)
	}
	s.client, s.core = client, minio.Core{Client: client}
	return s, nil
}

func (s *store) close() { s.idle() }

// check makes sure that the bucket is there and may be read.
func (s *store) check(ctx context.Context) error {
	for _, err := range s.list(ctx, "", "", 1) {
		return err
	}
	return nil
}

// errSlow is the cause of a context that ended because the store was too slow.
var errSlow = errors.New("the store does not answer in time")

// limit bounds a call that moves size bytes, repeated requests included. No
// store that can be used is slower than 1 MB/s.
func (s *store) limit(ctx context.Context, size int64) (context.Context, context.CancelFunc) {
	allowed := time.Duration(s.opts.Tries)*(s.opts.Timeout+time.Second) + time.Duration(size>>20)*time.Second
	return context.WithTimeoutCause(ctx, allowed, errSlow)
}

// get reads size bytes from offset on. The error wraps errGone, or
// frame.ErrCorrupt if the object is shorter.
func (s *store) get(ctx context.Context, key string, offset, size int64) ([]byte, error) {
	inner, cancel := s.limit(ctx, size)
	defer cancel()
	for try := 1; ; try++ {
		data, err := s.getOnce(inner, key, offset, size)
		if err == nil || !errors.Is(err, errCut) || try >= s.opts.Tries || inner.Err() != nil {
			return data, s.explain(inner, "read", key, err)
		}
		select {
		case <-inner.Done():
		case <-time.After(time.Duration(try) * 100 * time.Millisecond):
		}
	}
}

// errCut is wrapped if a connection ended within an answer; minio-go repeats
// only requests that were not answered at all.
var errCut = errors.New("answer was cut off")

func (s *store) getOnce(ctx context.Context, key string, offset, size int64) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	var options minio.GetObjectOptions
	if err := options.SetRange(offset, offset+size-1); err != nil {
		return nil, err
	}
	body, info, _, err := s.core.GetObject(ctx, s.opts.Bucket, s.opts.Prefix+key, options)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if info.Size >= 0 && info.Size < size {
		return nil, fmt.Errorf("%d bytes at %d, not %d: %w", info.Size, offset, size, frame.ErrCorrupt)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	return data, nil
}

// list gives what lies below a folder and sorts behind after. If most is not 0,
// no more than that are asked for at a time. Folders come as keys that end with
// a slash if folder is one of folders.
func (s *store) list(ctx context.Context, folder, after string, most int) iter.Seq2[minio.ObjectInfo, error] {
	return func(yield func(minio.ObjectInfo, error) bool) {
		inner, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		allowed := time.Duration(s.opts.Tries) * (s.opts.Timeout + time.Second)
		slow := time.AfterFunc(allowed, func() { cancel(errSlow) })
		defer slow.Stop()
		fetchOwner := false
		options := minio.ListObjectsOptions{Prefix: s.opts.Prefix + folder, Recursive: folder != runFolder, MaxKeys: most, FetchOwner: &fetchOwner}
		if after != "" {
			options.StartAfter = s.opts.Prefix + after
		}
		for info := range s.client.ListObjectsIter(inner, s.opts.Bucket, options) {
			if info.Err != nil {
				yield(info, s.explain(inner, "list", folder, info.Err))
				return
			}
			info.Key = strings.TrimPrefix(info.Key, s.opts.Prefix)
			slow.Stop()
			if !yield(info, nil) {
				return
			}
			slow.Reset(allowed)
		}
		if inner.Err() != nil { // a listing that is cancelled just ends
			yield(minio.ObjectInfo{}, s.explain(inner, "list", folder, inner.Err()))
		}
	}
}

// places lists objects of the archive below a folder.
func (s *store) places(ctx context.Context, folder string) ([]place, error) {
	var out []place
	for info, err := range s.list(ctx, folder, "", 0) {
		if err != nil {
			return nil, err
		}
		if p, ok := parseKey(info.Key, info.Size); ok {
			p.modified = info.LastModified
			out = append(out, p)
		}
	}
	return out, nil
}

// remove deletes objects; those that are gone already are no error.
func (s *store) remove(ctx context.Context, places []place) error {
	if len(places) == 0 {
		return nil
	}
	inner, cancel := s.limit(ctx, int64(len(places))<<10)
	defer cancel()
	results, err := s.client.RemoveObjectsWithIter(inner, s.opts.Bucket, func(yield func(minio.ObjectInfo) bool) {
		for _, p := range places {
			if !yield(minio.ObjectInfo{Key: s.opts.Prefix + p.key}) {
				return
			}
		}
	}, minio.RemoveObjectsOptions{})
	if err != nil {
		return s.explain(inner, "delete", places[0].key, err)
	}
	for r := range results {
		if r.Err != nil && err == nil {
			err = s.explain(inner, "delete", strings.TrimPrefix(r.ObjectName, s.opts.Prefix), r.Err)
		}
	}
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// abandonUploads gives up uploads in parts that a process began more than a day
// ago and has not finished.
func (s *store) abandonUploads(ctx context.Context) error {
	ctx, cancel := s.limit(ctx, 0)
	defer cancel()
	for upload := range s.client.ListIncompleteUploads(ctx, s.opts.Bucket, s.opts.Prefix, true) {
		if upload.Err != nil {
			return s.explain(ctx, "list", "uploads", upload.Err)
		}
		if s.opts.Now().Sub(upload.Initiated) < 24*time.Hour {
			continue
		}
		if err := s.core.AbortMultipartUpload(ctx, s.opts.Bucket, upload.Key, upload.UploadID); err != nil {
			return s.explain(ctx, "abandon the upload of", strings.TrimPrefix(upload.Key, s.opts.Prefix), err)
		}
	}
	return nil
}

// explain says what was being done, and what to do about the error if that is
// known. ctx is the bounded one.
func (s *store) explain(ctx context.Context, doing, key string, err error) error {
	if err == nil {
		return nil
	}
	doing = fmt.Sprintf("%s %s%s in bucket %s", doing, s.opts.Prefix, key, s.opts.Bucket)
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), errSlow) {
		return fmt.Errorf("%s at %s: %w", doing, s.opts.Endpoint, errSlow)
	}
	var refused minio.ErrorResponse
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	var advice string
	switch refused.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%s: %w", doing, errGone)
	case "InvalidRange":
		return fmt.Errorf("%s: object is shorter than it was: %w", doing, frame.ErrCorrupt)
	case minio.NoSuchBucket:
		advice = "the bucket does not exist: create it, or correct the bucket's name"
	case minio.AccessDenied, "AllAccessDisabled", "AccountProblem":
		advice = "access denied: allow this key s3:ListBucket, s3:ListBucketMultipartUploads and s3:GetBucketLocation on the bucket, " +
			"and s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on what is in it"
	case minio.InvalidAccessKeyID:
		advice = "the store does not know this access key: correct it"
	case "SignatureDoesNotMatch":
		advice = "the secret key does not belong to the access key: correct it"
	case "ExpiredToken", "InvalidToken":
		advice = "the session token is not valid any more: get a new one"
	case minio.AuthorizationHeaderMalformed, "PermanentRedirect", minio.InvalidRegion:
		advice = "the bucket is in another region: set the region"
		if refused.Region != "" {
			advice += " to " + refused.Region
		}
	case "RequestTimeTooSkewed":
		advice = "the clocks of this machine and of the store differ: set them right"
	default:
		return fmt.Errorf("%s: %w (%s)", doing, err, refused.Code)
	}
	return fmt.Errorf("%s: %s: %w", doing, advice, err)
}
