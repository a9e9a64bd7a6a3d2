package workspace

import (
	"hash/crc32"
	"math/big"
	"strings"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Lengths of keys behind their prefix.
const (
	writeLength  = 24 // 142 random bits
	secretBytes  = 32
	secretLength = 43 // secretBytes in base 62
	crcLength    = 6  // 32 bits in base 62
)

// newWriteText makes a write key. It is public, so that its length only has to
// keep strangers from guessing it by chance.
func newWriteText() string { return writePrefix + randomText(writeLength) }

// newSecretText makes a secret key. Its last characters are a checksum of those
// before, by which scanners of source code tell a real key from a look-alike.
func newSecretText() string {
	body := secretPrefix + encode62(new(big.Int).SetBytes(randomBytes(secretBytes)), secretLength)
	return body + checksum(body)
}

func checksum(s string) string {
	return encode62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(s)))), crcLength)
}

// WellFormed reports whether text is a secret key as CreateKey makes them: the
// test of a scanner. A key given to Provision need not be.
func WellFormed(text string) bool {
	const length = len(secretPrefix) + secretLength + crcLength
	if len(text) != length || !strings.HasPrefix(text, secretPrefix) {
		return false
	}
	body := text[:length-crcLength]
	return checksum(body) == text[length-crcLength:]
}

// randomText draws n characters, each of the 62 equally likely.
func randomText(n int) string {
	out := make([]byte, 0, n)
	for len(out) < n {
		for _, b := range randomBytes(n) {
			// 248 = 4·62: bytes above would favour the first characters.
			if b < 248 && len(out) < n {
				out = append(out, base62[b%62])
			}
		}
	}
	return string(out)
}

// encode62 writes a number with leading zeros up to width, which it must fit.
func encode62(n *big.Int, width int) string {
	out := make([]byte, width)
	base, digit := big.NewInt(62), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}
