package bolt

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/bits"
	"reflect"
	"strings"
	"time"
)

// What the committer stores most is packed: a third of the bytes of JSON, and
// of the time to make it. A packed struct is its fields but for those that are
// zero, in the order of the type, each as
//
//	tag    three bytes: 23 bits of a hash of its name in JSON, and 1 if its value has a length
//	value  a number as a varint, or a length as a varint and that many bytes
//
// So a field may be added, moved or taken away, and what was stored before is
// still read; a field that is unknown is passed over. A field that encoding/json
// leaves out is left out here too. Text stands in it as it is, to be found with
// any tool that looks for text.
//
//	bool, int, uint  a varint, signed ones in zigzag
//	float            its bits, the last byte first, as a varint
//	string, []byte   its bytes
//	time             seconds since 1970 in zigzag and nanoseconds; read back in UTC
//	struct           its fields
//	*struct          the same; nil is zero
//	slice            how many, and each without a tag; nothing if it is nil
type packer[T any] struct{ c coder }

// packerOf makes the packer of a type. It panics over a kind of field that
// cannot be packed: a mistake that every test finds.
func packerOf[T any]() packer[T] { return packer[T]{coderOf(reflect.TypeFor[T]())} }

// pack appends v.
func (p packer[T]) pack(out []byte, v *T) []byte { return p.c.put(out, reflect.ValueOf(v).Elem()) }

// unpack is pack's inverse. Its error is an ErrDamaged.
func (p packer[T]) unpack(in []byte, into *T) error { return p.c.get(in, reflect.ValueOf(into).Elem()) }

// sized is pack with a length before it, so that it is never empty.
func (p packer[T]) sized(out []byte, v *T) []byte { return p.c.append(out, reflect.ValueOf(v).Elem()) }

// unsized is sized's inverse.
func (p packer[T]) unsized(in []byte, into *T) error {
	value, rest, err := split(in, true)
	if err != nil || len(rest) > 0 {
		return errPacked
	}
	return p.unpack(value, into)
}

// errPacked is a value that no packer made.
var errPacked = fmt.Errorf("%w: packed value", ErrDamaged)

// coder packs one type.
type coder struct {
	sized bool // a length stands before it
	put   func(out []byte, v reflect.Value) []byte
	get   func(in []byte, v reflect.Value) error
}

var typeOfTime = reflect.TypeFor[time.Time]()

func coderOf(t reflect.Type) coder {
	switch t.Kind() {
	case reflect.Bool:
		return numberCoder(func(v reflect.Value) uint64 {
			if v.Bool() {
				return 1
			}
			return 0
		}, func(v reflect.Value, n uint64) { v.SetBool(n != 0) })
	case reflect.Int, reflect.Int64:
		return numberCoder(func(v reflect.Value) uint64 { return zigzag(v.Int()) }, func(v reflect.Value, n uint64) { v.SetInt(unzigzag(n)) })
	case reflect.Uint, reflect.Uint64:
		return numberCoder(reflect.Value.Uint, reflect.Value.SetUint)
	case reflect.Float64:
		return numberCoder(func(v reflect.Value) uint64 { return bits.ReverseBytes64(math.Float64bits(v.Float())) },
			func(v reflect.Value, n uint64) { v.SetFloat(math.Float64frombits(bits.ReverseBytes64(n))) })
	case reflect.String:
		return coder{true, func(out []byte, v reflect.Value) []byte { return append(out, v.String()...) },
			func(in []byte, v reflect.Value) error { v.SetString(string(in)); return nil }}
	case reflect.Struct:
		if t == typeOfTime {
			return coder{true, putTime, getTime}
		}
		return structCoder(t)
	case reflect.Pointer:
		c := structCoder(t.Elem())
		return coder{true, func(out []byte, v reflect.Value) []byte { return c.put(out, v.Elem()) },
			func(in []byte, v reflect.Value) error {
				v.Set(reflect.New(t.Elem()))
				return c.get(in, v.Elem())
			}}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return coder{true, func(out []byte, v reflect.Value) []byte { return append(out, v.Bytes()...) },
				func(in []byte, v reflect.Value) error { v.SetBytes(append([]byte{}, in...)); return nil }}
		}
		return sliceCoder(t)
	}
	panic(fmt.Sprintf("bolt: %s cannot be packed", t))
}

func numberCoder(get func(reflect.Value) uint64, set func(reflect.Value, uint64)) coder {
	return coder{false, func(out []byte, v reflect.Value) []byte { return binary.AppendUvarint(out, get(v)) },
		func(in []byte, v reflect.Value) error {
			n, size := binary.Uvarint(in)
			if size != len(in) || size <= 0 {
				return errPacked
			}
			set(v, n)
			return nil
		}}
}

func putTime(out []byte, v reflect.Value) []byte {
	t := v.Addr().Interface().(*time.Time)
	return binary.AppendUvarint(binary.AppendUvarint(out, zigzag(t.Unix())), uint64(t.Nanosecond()))
}

func getTime(in []byte, v reflect.Value) error {
	seconds, n := binary.Uvarint(in)
	if n <= 0 {
		return errPacked
	}
	nanoseconds, m := binary.Uvarint(in[n:])
	if m <= 0 || n+m != len(in) || nanoseconds >= uint64(time.Second) {
		return errPacked
	}
	*v.Addr().Interface().(*time.Time) = time.Unix(unzigzag(seconds), int64(nanoseconds)).UTC()
	return nil
}

// field is one field of a struct.
type field struct {
	coder
	index int
	tag   uint32
}

func structCoder(t reflect.Type) coder {
	var fields []field
	byTag := map[uint32]field{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		if !f.IsExported() {
			panic(fmt.Sprintf("bolt: %s of %s cannot be packed", name, t))
		}
		c := coderOf(f.Type)
		tag := tagOf(name, c.sized)
		if _, taken := byTag[tag]; taken {
			panic(fmt.Sprintf("bolt: name another field of %s otherwise than %s", t, name))
		}
		byTag[tag] = field{c, i, tag}
		fields = append(fields, byTag[tag])
	}
	return coder{true, func(out []byte, v reflect.Value) []byte {
		for i := range fields {
			f := &fields[i]
			if at := v.Field(f.index); !at.IsZero() {
				out = f.append(appendTag(out, f.tag), at)
			}
		}
		return out
	}, func(in []byte, v reflect.Value) error {
		for len(in) > 0 {
			if len(in) < tagLen {
				return errPacked
			}
			tag := uint32(in[0])<<16 | uint32(in[1])<<8 | uint32(in[2])
			value, rest, err := split(in[tagLen:], tag&1 != 0)
			if err != nil {
				return err
			}
			if f, ok := byTag[tag]; ok {
				if err := f.get(value, v.Field(f.index)); err != nil {
					return err
				}
			}
			in = rest
		}
		return nil
	}}
}

const tagLen = 3

// tagOf is the tag of a field.
func tagOf(name string, sized bool) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // it cannot fail
	tag := h.Sum32() >> 8 &^ 1
	if sized {
		tag |= 1
	}
	return tag
}

func appendTag(out []byte, tag uint32) []byte {
	return append(out, byte(tag>>16), byte(tag>>8), byte(tag))
}

func sliceCoder(t reflect.Type) coder {
	if t.Elem().Kind() == reflect.Pointer {
		panic(fmt.Sprintf("bolt: %s cannot be packed: nil in a list has no form", t))
	}
	c := coderOf(t.Elem())
	return coder{true, func(out []byte, v reflect.Value) []byte {
		if v.IsNil() { // in a list, where what is zero is not left out
			return out
		}
		out = binary.AppendUvarint(out, uint64(v.Len()))
		for i := range v.Len() {
			out = c.append(out, v.Index(i))
		}
		return out
	}, func(in []byte, v reflect.Value) error {
		if len(in) == 0 {
			return nil
		}
		n, size := binary.Uvarint(in)
		if size <= 0 || n > uint64(len(in)-size) { // each has a byte at least
			return errPacked
		}
		in = in[size:]
		s := reflect.MakeSlice(t, int(n), int(n))
		for i := range int(n) {
			value, rest, err := split(in, c.sized)
			if err == nil {
				err = c.get(value, s.Index(i))
			}
			if err != nil {
				return err
			}
			in = rest
		}
		if len(in) > 0 {
			return errPacked
		}
		v.Set(s)
		return nil
	}}
}

// append packs v, after its length if it has one.
func (c *coder) append(out []byte, v reflect.Value) []byte {
	if !c.sized {
		return c.put(out, v)
	}
	begin := len(out)
	out = c.put(append(out, 0), v) // most are short
	n := len(out) - begin - 1
	if n < 0x80 {
		out[begin] = byte(n)
		return out
	}
	var length [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(length[:], uint64(n))
	out = append(out, length[1:size]...) // room
	copy(out[begin+size:], out[begin+1:begin+1+n])
	copy(out[begin:], length[:size])
	return out
}

// split takes the first value off.
func split(in []byte, sized bool) (value, rest []byte, err error) {
	n, size := binary.Uvarint(in)
	switch {
	case size <= 0:
		return nil, nil, errPacked
	case !sized:
		return in[:size], in[size:], nil
	case n > uint64(len(in)-size):
		return nil, nil, errPacked
	}
	return in[size : size+int(n)], in[size+int(n):], nil
}

// packed is how a string field stands in a packed struct.
func packed(name, value string) []byte {
	out := appendTag(nil, tagOf(name, true))
	return append(binary.AppendUvarint(out, uint64(len(value))), value...)
}

func zigzag(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }
