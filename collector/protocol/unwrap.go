package protocol

import (
	"bytes"
	"encoding/base64"
	"net/url"
)

// Unwrap returns the JSON text in a body. Senders that want to be spared a CORS
// preflight, or that know only forms, wrap it: as the field `data` of a form,
// as base64, or both. What they declare in Content-Type says nothing about it,
// so the bytes decide. A body that is none of these is returned as it is.
func Unwrap(body []byte) []byte {
	text := bytes.TrimLeft(body, " \t\r\n")
	if isJSON(text) {
		return body
	}
	if field, ok := formField(text, "data"); ok {
		text = field
		if isJSON(text) {
			return text
		}
		// Some senders do not escape the pluses of base64 in a form.
		text = bytes.ReplaceAll(text, []byte(" "), []byte("+"))
	}
	if decoded, ok := decodeBase64(text); ok && isJSON(bytes.TrimLeft(decoded, " \t\r\n")) {
		return decoded
	}
	return body
}

func isJSON(text []byte) bool {
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// formField is the first field of the name in a form, unescaped.
func formField(form []byte, name string) ([]byte, bool) {
	for pair := range bytes.SplitSeq(form, []byte("&")) {
		key, value, found := bytes.Cut(pair, []byte("="))
		if !found || string(key) != name {
			continue
		}
		text, err := url.QueryUnescape(string(value))
		if err != nil {
			return nil, false
		}
		return []byte(text), true
	}
	return nil, false
}

// decodeBase64 takes both alphabets, with padding or without.
func decodeBase64(text []byte) ([]byte, bool) {
	text = bytes.TrimRight(bytes.TrimSpace(text), "=")
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	decoded := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Decode(decoded, text)
	return decoded[:n], err == nil && n > 0
}
