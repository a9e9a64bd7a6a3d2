package workspace

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// What hashing a password costs: the parameters that OWASP names as the least,
// about 20 ms. Raising them is safe: hashes say their own parameters, and are
// made anew at the next sign-in.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	saltLength   = 16
	hashLength   = 32

	minPassword = 12 // characters
	maxPassword = 256
)

func checkPassword(password string) error {
	n := utf8.RuneCountInString(password)
	if n < minPassword || n > maxPassword || !utf8.ValidString(password) {
		return invalid("password", fmt.Sprintf("use %d to %d characters", minPassword, maxPassword))
	}
	return nil
}

// hash makes a PHC string of a password. It waits for a slot: no more passwords
// are hashed at once than there are processors, as each takes 19 MiB.
func (d *Directory) hash(ctx context.Context, password string) (string, error) {
	if err := d.slot(ctx); err != nil {
		return "", err
	}
	defer func() { <-d.hashing }()
	salt := randomBytes(saltLength)
	return phc(salt, derive(password, salt, argonMemory, argonTime, argonThreads, hashLength)), nil
}

// matches compares a password with a PHC string, as long as it takes to hash.
// stale reports that the hash was made with other parameters than today's.
func (d *Directory) matches(ctx context.Context, password, hash string) (ok, stale bool, err error) {
	h, err := parsePHC(hash)
	if err != nil {
		return false, false, err
	}
	if err := d.slot(ctx); err != nil {
		return false, false, err
	}
	defer func() { <-d.hashing }()
	key := derive(password, h.salt, h.memory, h.time, h.threads, uint32(len(h.key)))
	stale = h.memory != argonMemory || h.time != argonTime || h.threads != argonThreads || len(h.key) != hashLength
	return subtle.ConstantTimeCompare(key, h.key) == 1, stale, nil
}

func (d *Directory) slot(ctx context.Context) error {
	select {
	case d.hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// derive hashes the normal form: keyboards differ in how they compose letters.
func derive(password string, salt []byte, memory, time uint32, threads uint8, length uint32) []byte {
	return argon2.IDKey(norm.NFKC.Bytes([]byte(password)), salt, time, memory, threads, length)
}

// decoyHash is a hash that no password has, of today's parameters.
func decoyHash() string { return phc(randomBytes(saltLength), randomBytes(hashLength)) }

type parsedPHC struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func phc(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

// parsePHC reads what phc wrote, with other parameters too. They are bounded: a
// damaged document must not take all memory.
func parsePHC(s string) (parsedPHC, error) {
	var p parsedPHC
	var version int
	bad := fmt.Errorf("read password hash: malformed")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return p, bad
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return p, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil ||
		p.memory < 8 || p.memory > 1<<20 || p.time < 1 || p.time > 100 || p.threads < 1 {
		return p, bad
	}
	var err error
	if p.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(p.salt) < 8 {
		return p, bad
	}
	if p.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(p.key) < 16 || len(p.key) > 64 {
		return p, bad
	}
	return p, nil
}
