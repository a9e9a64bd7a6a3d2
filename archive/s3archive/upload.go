package s3archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

// The checksums of what is written go before it, in headers: its CRC32C, which
// the store keeps, and its SHA-256, which is part of the signature. Checksums
// behind the body, which minio-go would send by itself, are what S3-compatible
// stores support least.
const (
	checksumHeader    = "x-amz-checksum-crc32c"
	checksumAlgorithm = "x-amz-checksum-algorithm"
	contentType       = "application/octet-stream"
)

// put makes an object durable: the store has answered that it has all of it, and
// that the checksum of what it has is the one of data.
func (s *store) put(ctx context.Context, key string, data []byte) error {
	inner, cancel := s.limit(ctx, int64(len(data)))
	defer cancel()
	name := s.opts.Prefix + key
	if int64(len(data)) > s.opts.PartSize {
		return s.explain(inner, "write", key, s.putParts(inner, name, data))
	}
	crc, sha := crcOf(data), shaOf(data)
	info, err := s.core.PutObject(inner, s.opts.Bucket, name, bytes.NewReader(data), int64(len(data)), "", sha, minio.PutObjectOptions{
		ContentType: contentType, UserMetadata: map[string]string{checksumHeader: crc}, DisableContentSha256: true,
	})
	if err == nil {
		err = s.confirmed(info.ChecksumCRC32C, crc)
	}
	return s.explain(inner, "write", key, err)
}

// putParts uploads parts, some at a time, and makes an object of them.
func (s *store) putParts(ctx context.Context, name string, data []byte) (err error) {
	id, err := s.core.NewMultipartUpload(ctx, s.opts.Bucket, name, minio.PutObjectOptions{
		ContentType: contentType, UserMetadata: map[string]string{checksumAlgorithm: "CRC32C"},
	})
	if err != nil {
		return fmt.Errorf("begin upload in parts: %w", err)
	}
	defer func() {
		if err == nil {
			return
		}
		// Best effort: what stays is given up by a compaction a day later.
		giveUp, cancel := s.limit(context.WithoutCancel(ctx), 0)
		defer cancel()
		if abort := s.core.AbortMultipartUpload(giveUp, s.opts.Bucket, name, id); abort != nil {
			s.opts.Logger.Warn("an upload in parts failed and could not be given up", "object", name, "error", abort)
		}
	}()
	pieces := slices.Collect(slices.Chunk(data, int(s.opts.PartSize)))
	parts := make([]minio.CompletePart, len(pieces))
	var sums []byte // the checksum of an object in parts is that of their checksums
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, piece := range pieces {
		sums = append(sums, crcBytes(piece)...)
		group.Go(func() (err error) {
			parts[i], err = s.putPart(inner, name, id, i+1, piece)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	info, err := s.core.CompleteMultipartUpload(ctx, s.opts.Bucket, name, id, parts, minio.PutObjectOptions{})
	if err != nil {
		return fmt.Errorf("complete upload in parts: %w", err)
	}
	return s.confirmed(info.ChecksumCRC32C, fmt.Sprintf("%s-%d", crcOf(sums), len(parts)))
}

func (s *store) putPart(ctx context.Context, name, id string, number int, data []byte) (minio.CompletePart, error) {
	crc := crcOf(data)
	part, err := s.core.PutObjectPart(ctx, s.opts.Bucket, name, id, number, bytes.NewReader(data), int64(len(data)), minio.PutObjectPartOptions{
		Sha256Hex: shaOf(data), CustomHeader: http.Header{http.CanonicalHeaderKey(checksumHeader): {crc}}, DisableContentSha256: true,
	})
	if err == nil {
		err = s.confirmed(part.ChecksumCRC32C, crc)
	}
	if err != nil {
		return minio.CompletePart{}, fmt.Errorf("part %d: %w", number, err)
	}
	return minio.CompletePart{PartNumber: number, ETag: part.ETag, ChecksumCRC32C: crc}, nil
}

// confirmed compares the checksum that the store answers with the one of what
// was sent.
func (s *store) confirmed(got, want string) error {
	if got == "" {
		s.unsure.Do(func() {
			s.opts.Logger.Warn("the object store does not confirm checksums: what it damages shows only when it is read", "endpoint", s.opts.Endpoint)
		})
		return nil
	}
	if got != want {
		return fmt.Errorf("the store answers checksum %s, not %s: send it again", got, want)
	}
	return nil
}

// crcOf is a CRC32C as S3 writes it.
func crcOf(data []byte) string { return base64.StdEncoding.EncodeToString(crcBytes(data)) }

func crcBytes(data []byte) []byte { return binary.BigEndian.AppendUint32(nil, checksum(data)) }

func shaOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
