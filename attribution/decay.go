package attribution

import (
	"math/bits"

	"github.com/weirhq/weir"
)

// decayed is the weight of a touch of an age: 2^(-age/halfLife) in units of
// 2^-40, so 1<<40 for age 0 and 0 after 41 half-lives. Floating point would do,
// but its exp2 differs in the last bit between processors, and one bit may be
// one cent.
func decayed(age, halfLife weir.Micros) uint64 {
	whole := age / halfLife
	if whole > 41 {
		return 0
	}
	fraction, _ := bits.Div64(uint64(age%halfLife)>>(64-40), uint64(age%halfLife)<<40, uint64(halfLife))
	weight := uint64(1) << 63
	for i, root := range roots() {
		if fraction>>(39-i)&1 == 1 {
			weight, _ = bits.Mul64(weight, root)
		}
	}
	shift := 23 + uint(whole)
	return (weight>>(shift-1) + 1) >> 1
}

// roots are 2^(-1/2), 2^(-1/4), 2^(-1/8), … in units of 2^-64: the factor of
// each binary digit of the exponent's fraction.
func roots() [40]uint64 {
	return [...]uint64{
		0xb504f333f9de6484, 0xd744fccad69d6af4, 0xeac0c6e7dd24392f, 0xf5257d152486cc2c, 0xfa83b2db722a033a,
		0xfd3e0c0cf486c175, 0xfe9e115c7b8f884c, 0xff4ecb59511ec8a5, 0xffa756521c8daed2, 0xffd3a751c0f7e10c,
		0xffe9d2b2f7db2756, 0xfff4e91bff1b8c3e, 0xfffa747ea0040664, 0xfffd3a3b7814eb54, 0xfffe9d1cc60ddab1,
		0xffff4e8e25879bfa, 0xffffa7470363f451, 0xffffd3a37dda0313, 0xffffe9d1bdf703af, 0xfffff4e8debe025e,
		0xfffffa746f4fa150, 0xfffffd3a37a3f8b0, 0xfffffe9d1bd1065a, 0xffffff4e8de845ae, 0xffffffa746f41377,
		0xffffffd3a37a05e4, 0xffffffe9d1bd01fc, 0xfffffff4e8de80c0, 0xfffffffa746f4051, 0xfffffffd3a37a025,
		0xfffffffe9d1bd011, 0xffffffff4e8de808, 0xffffffffa746f404, 0xffffffffd3a37a02, 0xffffffffe9d1bd01,
		0xfffffffff4e8de81, 0xfffffffffa746f40, 0xfffffffffd3a37a0, 0xfffffffffe9d1bd0, 0xffffffffff4e8de8,
	}
}
