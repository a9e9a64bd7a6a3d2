package query

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestFormulas(t *testing.T) {
	names := map[string]int{"A": 0, "B": 1, "none": 2, "Big buyers": 3, "été_1": 4}
	values := []Real{6, 3, None, 100, 0}
	for text, want := range map[string]Real{
		"A":                 6,
		" A / B ":           2,
		"A - B - 1":         2, // from left to right
		"A / B / 2":         1,
		"1 + A * 2":         13,
		"(1 + A) * 2":       14,
		"-A + -(-B)":        -3,
		"2 * -B":            -6,
		`"Big buyers" / A`:  100.0 / 6,
		"été_1 + .5":        0.5,
		"A / été_1":         None,
		"été_1 / été_1":     None,
		"A + none":          None,
		"0 * none":          None,
		"5":                 5,
		"100 * A / (A + B)": 600.0 / 9,
		strings.Repeat("9", 300) + " * " + strings.Repeat("9", 300): None,
	} {
		e, err := readExpression(text, names)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := e.Value(func(i int) Real { return values[i] })
		if got != want && !(math.IsNaN(float64(got)) && math.IsNaN(float64(want))) {
			t.Errorf("%s = %v, want %v", text, got, want)
		}
	}
}

func TestFormulasThatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"":       "at character 1 there must be a number, the name",
		"A +":    "at character 4 there must be a number, the name",
		"A B":    "at character 3 there must be an operator",
		"A + C":  `at character 5 there is no series "C"`,
		"(A":     "at character 3 there must be a closing",
		"A)":     "at character 2 there must be an operator",
		"()":     "at character 2 there must be a number",
		"1.2.3":  "at character 1 there must be a number such as",
		"A ** 2": "at character 4 there must be a number",
		`"A`:     "at character 1 a quoted name",
		"é":      `at character 1 there is no series "é"`,
		"1e3":    "at character 2 there must be an operator",
		"A\x00":  "at character 2 there must be an operator",
		"sum(A)": `at character 1 there is no series "sum"`,
		strings.Repeat("(", 60) + "A" + strings.Repeat(")", 60): "nested deeper",
		strings.Repeat("-", 60) + "A":                           "nested deeper",
		strings.Repeat("9", 400):                                "a number such as",
	} {
		if e, err := readExpression(text, map[string]int{"A": 0}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", text, e, err, want)
		}
	}
}

func FuzzFormula(f *testing.F) {
	for _, s := range []string{"A / B", "-(A + 1.5) * 100", `"A" - B`, "((", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > MaxExpression {
			return
		}
		e, err := readExpression(text, map[string]int{"A": 0, "B": 1})
		if (e == nil) == (err == nil) {
			t.Fatalf("%v, %v", e, err)
		}
		if err == nil {
			e.Value(func(i int) Real { return Real(i) })
			return
		}
		if !strings.HasPrefix(err.Error(), "at character ") {
			t.Fatal(fmt.Sprint(err))
		}
	})
}
