package clickstore

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// quoteName makes an SQL identifier of s. It is the one place where names enter SQL.
func quoteName(s string) string { return quote(s, '`') }

// quoteText makes an SQL string of s. It is the one place where texts enter SQL.
func quoteText(s string) string { return quote(s, '\'') }

func quote(s string, mark byte) string {
	var out strings.Builder
	out.Grow(len(s) + 2)
	out.WriteByte(mark)
	for i := range len(s) {
		switch c := s[i]; {
		case c == mark || c == '\\':
			out.WriteByte('\\')
			out.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&out, `\x%02X`, c)
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte(mark)
	return out.String()
}

// quoteTexts lists strings.
func quoteTexts(texts []string) string {
	return list(texts, quoteText)
}

// list writes some values with commas between them.
func list[T any](all []T, write func(T) string) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = write(one)
	}
	return strings.Join(texts, ", ")
}

// number writes a whole number.
func number[T ~int | ~int32 | ~int64 | ~uint8 | ~uint32 | ~uint64](n T) string { return fmt.Sprint(n) }

// real writes a number so that the engine has the same one.
func real(f float64) string {
	return fmt.Sprintf("reinterpretAsFloat64(toUInt64(%d))", math.Float64bits(f))
}

// instant writes a time; all have a type that holds them.
func instant[T ~int64](at T) string { return "toInt64('" + strconv.FormatInt(int64(at), 10) + "')" }

// plainText is a column of texts without the dictionary that it may be stored with.
func plainText(column string) string { return "CAST(" + column + ", 'String')" }

// clean makes s valid UTF-8. Items are checked when they are received; this is for what
// is not from items.
func clean(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
