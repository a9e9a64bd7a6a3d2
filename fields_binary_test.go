package weir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// anyFields draws documents of all types, with few and with many stamps.
func anyFields() *rapid.Generator[Fields] {
	value := rapid.OneOf(
		rapid.Just(Value{}),
		rapid.Map(rapid.String(), Text),
		rapid.Map(rapid.Float64(), Num),
		rapid.Map(rapid.Bool(), Boolean),
		rapid.Map(rapid.SliceOfN(rapid.IntRange(0, 9), 0, 4), func(l []int) Value {
			text, _ := json.Marshal(l)
			return Raw(string(text))
		}),
	)
	return rapid.Custom(func(t *rapid.T) Fields {
		var f Fields
		stamps := rapid.IntRange(1, 30).Draw(t, "stamps")
		for range rapid.IntRange(0, 40).Draw(t, "fields") {
			n := rapid.IntRange(0, stamps).Draw(t, "stamp")
			f.Set(Stamp{Micros(n - 5), fmt.Sprint("item", n)},
				Property{rapid.StringN(0, 12, -1).Draw(t, "name"), value.Draw(t, "value")})
		}
		return f
	})
}

func TestFieldsBinaryReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyFields().Draw(t, "fields")
		data, err := want.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		var got Fields
		if err := got.UnmarshalBinary(data[len("before"):]); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read back %v, want %v", got, want)
		}
	})
}

func TestFieldsBinaryRefusesDamage(t *testing.T) {
	var f Fields
	f.Set(Stamp{1, "a"}, Property{"x", Text("y")}, Property{"z", Num(1)})
	data, _ := f.AppendBinary(nil)
	for n := range data {
		var got Fields
		if err := got.UnmarshalBinary(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken for a document", n, len(data))
		}
	}
	if err := new(Fields).UnmarshalBinary(append(data, 0)); err == nil {
		t.Error("a byte too many was overlooked")
	}
}

func FuzzFieldsBinary(f *testing.F) {
	var doc Fields
	doc.Set(Stamp{1, "a"}, Property{"b", Boolean(true)}, Property{"j", Raw(`[1]`)}, Property{"n", Num(1.5)})
	doc.Set(Stamp{-2, "b"}, Property{"s", Text("text")}, Property{"null", Value{}})
	data, _ := doc.AppendBinary(nil)
	f.Add(data)
	f.Add([]byte{fieldsVersion, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var first Fields
		if first.UnmarshalBinary(data) != nil {
			return
		}
		// Not every text that reads is in the canonical form, but what is
		// written of it is, and says the same.
		canonical, _ := first.AppendBinary(nil)
		var second Fields
		if err := second.UnmarshalBinary(canonical); err != nil {
			t.Fatalf("read own form: %v", err)
		}
		again, _ := second.AppendBinary(nil)
		if !bytes.Equal(again, canonical) {
			t.Fatal("the form is not canonical")
		}
	})
}

func BenchmarkFieldsCodec(b *testing.B) {
	var f Fields
	for i := range 12 {
		f.Set(Stamp{Micros(1_700_000_000_000_000 + int64(i%3)), fmt.Sprintf("0192f0c1-5b7e-7cc3-98c4-dc0c0c07398%d", i%3)},
			Property{fmt.Sprintf("trait_%02d", i), Text("some value of usual length")})
	}
	binaryForm, _ := f.AppendBinary(nil)
	jsonForm, _ := f.MarshalJSON()
	b.Run("binary/write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			binaryForm, _ = f.AppendBinary(binaryForm[:0])
		}
		b.ReportMetric(float64(len(binaryForm)), "bytes")
	})
	b.Run("binary/read", func(b *testing.B) {
		b.ReportAllocs()
		var got Fields
		for b.Loop() {
			_ = got.UnmarshalBinary(binaryForm)
		}
	})
	b.Run("json/write", func(b *testing.B) {
		for b.Loop() {
			jsonForm, _ = f.MarshalJSON()
		}
		b.ReportMetric(float64(len(jsonForm)), "bytes")
	})
	b.Run("json/read", func(b *testing.B) {
		var got Fields
		for b.Loop() {
			_ = got.UnmarshalJSON(jsonForm)
		}
	})
}
