package bolt
import ("testing";"time";"fmt";"path/filepath";"sync";"context";"hosterbot/bot";"go.etcd.io/bbolt";"strings")
func TestZZ(t *testing.T){ p:=filepath.Join(t.TempDir(),"x.db"); s,_:=Open(p,Options{AuditKey:[]byte("k")}); var wg sync.WaitGroup
 for i:=range 100 { wg.Go(func(){ for j:=range 100 { op:=bot.Operation{State:bot.Pending,Title:strings.Repeat("x",900),NextAt:time.Now()}; s.Create(context.Background(),time.Now(),fmt.Sprint(i,"/",j),op,bot.Written{Audit:[]bot.Record{{Kind:"x",Text:strings.Repeat("x",300)}}}) } }) }; wg.Wait(); s.Close()
 for range 5 { b:=time.Now(); x,err:=Open(p,Options{}); fmt.Println(err,time.Since(b)); x.Close()
 b=time.Now(); checkPages(p); fmt.Println(" pages",time.Since(b));
 b=time.Now(); prove(p); fmt.Println(" prove",time.Since(b));
 b=time.Now(); db,_:=bbolt.Open(p,0600,&bbolt.Options{NoFreelistSync:true,FreelistType:"hashmap",InitialMmapSize:256<<20}); fmt.Println(" bbolt",time.Since(b)); 
 b=time.Now(); db.Close(); fmt.Println(" close",time.Since(b)); 
} }
func BenchmarkPages(b *testing.B){ p:=filepath.Join(b.TempDir(),"x.db"); s,_:=Open(p,Options{AuditKey:[]byte("k")}); var wg sync.WaitGroup
 for i:=range 100 { wg.Go(func(){ for j:=range 100 { op:=bot.Operation{State:bot.Pending,Title:strings.Repeat("x",900),NextAt:time.Now()}; s.Create(context.Background(),time.Now(),fmt.Sprint(i,"/",j),op,bot.Written{Audit:[]bot.Record{{Kind:"x",Text:strings.Repeat("x",300)}}}) } }) }; wg.Wait(); s.Close()
 b.ResetTimer(); for range b.N { checkPages(p) } }
