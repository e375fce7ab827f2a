package policy_test
import ("testing";"fmt";"strings";"time";"hosterbot/bot/policy")
func TestZZ(t *testing.T){
 run:=func(name string, text string){ st:=time.Now(); _,err:=policy.Parse("f",[]byte(text),vocabulary{}); s:=fmt.Sprint(err); if len(s)>200{s=s[:200]}; fmt.Println(name,len(text),time.Since(st),s)}
 var b strings.Builder
 b.WriteString("version: 1\npeople:\n"); for i:=range 1500{fmt.Fprintf(&b,"  p%d: {slack: T1/U%d}\n",i,i)}
 b.WriteString("groups:\n  all: ["); for i:=range 1500{fmt.Fprintf(&b,"p%d, ",i)}; b.WriteString("p0x]\n")
 ppl:=strings.Replace(b.String(),", p0x","",1)
 var c strings.Builder; c.WriteString(ppl+"roles: {o: {allow: [all reads, all destroys, all costs]}}\ngrants:\n"); for i:=range 450{fmt.Fprintf(&c,"  - {id: g%d, to: [all], role: o, targets: [vm/%d-%d]}\n",i,i+1,i+4000)}
 c.WriteString("guards:\n"); for i:=range 500{fmt.Fprintf(&c,"  - {id: u%d, commands: [all destroys], targets: [vm/%d-%d], approve: {by: [p%d, p%d], count: 1}}\n",i,i+1,i+4000,i,i+1)}
 run("guards",c.String())
 var d strings.Builder; d.WriteString(ppl+"labels:\n  big: {vm: ["); for i:=range 120000{fmt.Fprintf(&d,"%d,",2*i+1)}; d.WriteString("]}\n"); run("labels",d.String())
 run("dup", "version: 1\npeople: {"+strings.Repeat("a, ",300000)+"}")
 run("deep", "version: 1\npeople: "+strings.Repeat("[",9990)+strings.Repeat("]",9990))
 run("manyerr", ppl+"groups2: 1\nroles: {o: {allow: ["+strings.Repeat("vm delte, ",50000)+"]}}")
 var e strings.Builder; e.WriteString(ppl+"roles: {o: {allow: ["); for i:=range 50000{fmt.Fprintf(&e,"vm delt%d,",i)}; e.WriteString("]}}\n"); run("sugg",e.String())
 var f strings.Builder; f.WriteString(ppl+"groups3: x\nlabels: {a: {vm: [1]}}\nroles: {o: {allow: [all reads]}}\ngrants:\n"); for i:=range 9000{fmt.Fprintf(&f,"  - {id: h%d, to: [alx, q%d], role: o}\n",i,i)}; run("sugg2",f.String())
}
