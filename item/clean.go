package item

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir"
)

// fit turns a value into one of the field's type. A problem that is final says
// why the value is set aside; one that is not, what was done to it.
func (f *Field) fit(v weir.Value) (fitted weir.Value, problem string, final bool) {
	if v.Type == weir.Null {
		return v, "", false
	}
	switch f.Type {
	case String:
		if v.Type == weir.JSON {
			return v, "must be a text", true
		}
		if v.Type != weir.String {
			v = weir.Text(v.String())
		}
		if f.MaxBytes > 0 && len(v.Str) > f.MaxBytes {
			return v, fmt.Sprintf("has %d bytes; at most %d are taken", len(v.Str), f.MaxBytes), true
		}
		return v, "", false
	case Number, Integer:
		return f.fitNumber(v)
	case Boolean:
		return fitBool(v)
	case Time:
		_, problem = cleanTime(v)
		return v, problem, problem != ""
	case List, Object:
		bracket := byte('[')
		if f.Type == Object {
			bracket = '{'
		}
		if v.Type != weir.JSON || v.Str[0] != bracket {
			return v, "must be of type " + string(f.Type), true
		}
	}
	return v, "", false
}

func (f *Field) fitNumber(v weir.Value) (fitted weir.Value, problem string, final bool) {
	switch v.Type {
	case weir.Number:
	case weir.String:
		n, err := strconv.ParseFloat(strings.TrimSpace(v.Str), 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) || strings.ContainsAny(v.Str, "_xX") {
			return v, fmt.Sprintf("is %q; want a number", clip(v.Str)), true
		}
		v = weir.Num(n)
	default:
		return v, "must be a number", true
	}
	if f.Min != nil && v.Num < *f.Min || f.Max != nil && v.Num > *f.Max {
		return v, "is " + v.String() + ", which is out of range", true
	}
	if f.Type == Integer && math.Abs(v.Num) > exact {
		return v, "is " + v.String() + ", which is out of range", true
	}
	if whole := math.Round(v.Num); f.Type == Integer && whole != v.Num {
		return weir.Num(whole), "is " + v.String() + "; it must be a whole number and was rounded", false
	}
	return v, "", false
}

func fitBool(v weir.Value) (fitted weir.Value, problem string, final bool) {
	if v.Type == weir.Bool {
		return v, "", false
	}
	switch v.String() {
	case "true", "1":
		return weir.Boolean(true), "", false
	case "false", "0":
		return weir.Boolean(false), "", false
	}
	return v, "must be true or false", true
}

// cleanID turns a value into an id. Numbers are taken by their text form, for
// many systems have numeric ids.
func cleanID(v weir.Value) (id string, problem string) {
	switch v.Type {
	case weir.Null:
		return "", "is required"
	case weir.String, weir.Number:
		id = v.String()
	default:
		return "", "must be a string"
	}
	return id, faultOf(id)
}

func faultOf(id string) string {
	switch {
	case strings.TrimSpace(id) == "":
		return "must not be empty"
	case len(id) > maxID:
		return fmt.Sprintf("has %d bytes; at most %d are taken", len(id), maxID)
	case strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c == utf8.RuneError }):
		return "has control characters"
	}
	return ""
}

// cleanEdge turns a value into the id of an edge and reads off it whom the
// edge leaves.
func cleanEdge(v weir.Value) (edge, from, problem string) {
	const want = "must be the id of an edge, as Weir gave it"
	if v.Type != weir.String || len(v.Str) > maxEdge {
		return "", "", want
	}
	start, hash, _ := strings.Cut(v.Str, ".")
	if len(hash) != 16 || strings.Trim(hash, "0123456789abcdef") != "" {
		return "", "", want
	}
	from, err := weir.EdgeFrom(v.Str)
	if err != nil || faultOf(from) != "" || base64.RawURLEncoding.EncodeToString([]byte(from)) != start {
		return "", "", want // the last also where several texts mean the same bytes
	}
	return v.Str, from, ""
}

// cleanTime turns a value into an instant; a null is not given.
func cleanTime(v weir.Value) (at weir.Micros, problem string) {
	if v.Type == weir.Null {
		return 0, ""
	}
	if v.Type != weir.String {
		return 0, "must be an RFC 3339 time such as \"2024-02-22T09:12:02.361Z\""
	}
	t, err := time.Parse(time.RFC3339Nano, v.Str)
	if err != nil {
		return 0, fmt.Sprintf("is %q; want an RFC 3339 time such as \"2024-02-22T09:12:02.361Z\"", clip(v.Str))
	}
	if at = weir.MicrosOf(t); at < Earliest {
		return 0, "is before 1971, which only a clock that was never set says"
	}
	return at, ""
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// telephone is the number in the form of E.164, or as it was sent if it has no
// such form.
func telephone(sent string) string {
	number := strings.Map(func(c rune) rune {
		switch c {
		case ' ', '-', '.', '/', '(', ')', '\u00a0', '\u202f', '\u2011':
			return -1
		}
		return c
	}, strings.Replace(sent, "(0)", "", 1)) // the zero is dialled inside the country only
	digits, ok := strings.CutPrefix(number, "+")
	if !ok || len(digits) < 7 || len(digits) > 15 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return sent
	}
	return number
}

// hashes are what advertisers know an e-mail address by. An address that is
// cleared, or empty, clears them: the hash of nothing would be everybody's.
func hashes(email weir.Value) []weir.Property {
	var md, s1, s2 weir.Value
	if clean := []byte(strings.ToLower(strings.TrimSpace(email.Str))); len(clean) > 0 {
		a, b, c := md5.Sum(clean), sha1.Sum(clean), sha256.Sum256(clean)
		md, s1, s2 = weir.Text(hex.EncodeToString(a[:])), weir.Text(hex.EncodeToString(b[:])), weir.Text(hex.EncodeToString(c[:]))
	}
	return []weir.Property{{Name: "email_md5", Value: md}, {Name: "email_sha1", Value: s1}, {Name: "email_sha256", Value: s2}}
}
