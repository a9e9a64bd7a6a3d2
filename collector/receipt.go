package collector

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// newName makes an id of 26 characters after the prefix: 48 bits of the time in
// milliseconds, then 80 random bits, in Crockford's base 32. Ids of one prefix
// sort by when they were made. They are unique, not secret.
func newName(prefix string, now time.Time) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16|rand.Uint64()&0xffff)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())

	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	text := make([]byte, 0, 32)
	text = append(text, prefix...)
	high, low := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	for shift := 125; shift >= 0; shift -= 5 {
		var five uint64
		switch {
		case shift >= 64:
			five = high >> (shift - 64)
		default:
			five = low>>shift | high<<(64-shift)
		}
		text = append(text, alphabet[five&31])
	}
	return string(text)
}
