"""Verbs by what they need: ``base[:past[:participle]] spanish``; `_` is a space, ``-se`` a reflexive Spanish verb.

Forms follow the rules of `conjugation`; Spanish irregulars stand in `IRREGULAR`.
"""

from __future__ import annotations

ON_THING = """
clean limpiar; wash lavar; polish pulir; paint pintar; repair reparar; break:broke:broken romper; hide:hid:hidden esconder; find:found encontrar; lose:lost perder; carry cargar; lift levantar; drop:dropped soltar;
throw:threw:thrown lanzar; catch:caught atrapar; push empujar; drag:dragged arrastrar; turn girar; shake:shook:shaken sacudir; touch tocar; smell oler; wrap:wrapped envolver; tie atar; hang:hung colgar; bury enterrar;
dig_up:dug_up desenterrar; collect recoger; measure medir; weigh pesar; buy:bought comprar; sell:sold vender; steal:stole:stolen robar; return devolver; send:sent enviar; receive recibir; bring:brought traer; show:showed:shown enseñar;
draw:drew:drawn dibujar; describe describir; examine examinar; study estudiar; choose:chose:chosen elegir; keep:kept guardar; forget:forgot:forgotten olvidar; remember recordar; admire admirar; need necesitar; want desear; offer ofrecer;
share compartir; make:made fabricar; invent inventar; design diseñar; burn quemar; cover cubrir; discover descubrir; guard vigilar; protect proteger; use usar; inspect revisar; decorate decorar;
save salvar; place colocar; trade intercambiar; lend:lent prestar; notice notar; check comprobar; destroy destruir; damage dañar; scratch rayar; kick patear; squeeze apretar; hold:held sostener;
grab:grabbed agarrar; take:took:taken tomar; leave:left dejar; lower bajar; raise alzar; rescue rescatar; recover recuperar; reject rechazar; accept aceptar; order encargar; deliver entregar; unwrap:unwrapped desenvolver;
observe observar; watch mirar; look_for buscar; photograph fotografiar; label etiquetar; mend remendar; fix arreglar; restore restaurar; copy copiar; imitate imitar; dry secar; heat calentar;
cool enfriar; wet:wetted mojar; stain manchar; bless bendecir; curse maldecir; appreciate apreciar; value valorar; mention mencionar; imagine imaginar; deserve merecer; possess poseer; inherit heredar;
win:won ganar; donate donar; auction subastar; claim reclamar; conceal ocultar; rent alquilar; pawn empeñar; assemble montar; balance equilibrar; point_at señalar; stroke acariciar; kiss besar;
bite:bit:bitten morder; lick lamer; sniff olfatear; move mover; transport transportar; store almacenar; reveal revelar; present presentar; test probar; adjust ajustar; dust desempolvar; mark marcar;
seal sellar; bend:bent doblar; crush aplastar; split:split partir; smash destrozar; recycle reciclar; swap:swapped canjear; ask_for pedir; put_away:put_away retirar; pick_up levantar; throw_away:threw_away:thrown_away tirar; hand_over ceder
"""

ON_FOOD = """
eat:ate:eaten comer; taste probar; cook cocinar; chew masticar; swallow tragar; cut:cut cortar; bake hornear; fry freír; boil hervir; roast asar; serve servir; salt salar;
season sazonar; share compartir; prepare preparar; devour devorar; smell oler; warm calentar; freeze:froze:frozen congelar; order pedir; slice rebanar; gulp_down engullir; nibble mordisquear; enjoy disfrutar;
praise elogiar; bring:brought traer; offer ofrecer; wash lavar; sweeten endulzar; smoke ahumar; decorate adornar; share_out repartir
"""

ON_PLACE = """
visit visitar; cross cruzar; leave:left abandonar; see:saw:seen ver; explore explorar; guard vigilar; remember recordar; admire admirar; find:found encontrar; know:knew:known conocer; paint pintar; draw:drew:drawn dibujar;
love amar; miss extrañar; search registrar; avoid evitar; photograph fotografiar; discover descubrir; describe describir; defend defender; surround rodear; clean limpiar; sweep:swept barrer; reach alcanzar;
rebuild:rebuilt reconstruir; inspect inspeccionar; choose:chose:chosen elegir; forget:forgot:forgotten olvidar; fear temer; inherit heredar; buy:bought comprar; light_up:lit_up iluminar; decorate decorar; restore restaurar; study estudiar; recognize reconocer;
contemplate contemplar; occupy ocupar; dream_of imaginar; go_around:went_around:gone_around recorrer
"""

ON_IDEA = """
understand:understood entender; remember recordar; forget:forgot:forgotten olvidar; tell:told contar; explain explicar; repeat repetir; accept aceptar; share compartir; discover descubrir; keep:kept guardar; write_down:wrote_down:written_down anotar; learn aprender;
defend defender; hear:heard oír; mention mencionar; invent inventar; ignore ignorar; reject rechazar; love amar; hate odiar; fear temer; prepare preparar; imagine imaginar; suggest sugerir;
reveal revelar; copy copiar; announce anunciar; translate traducir; correct corregir; confess confesar; deny negar; improve mejorar; praise elogiar; study estudiar; regret:regretted lamentar; question cuestionar;
value valorar; analyse analizar; teach:taught enseñar; believe creer; change cambiar; expect esperar; celebrate celebrar; publish publicar; summarize resumir; interpret interpretar; exaggerate exagerar; finish terminar
"""

ON_PERSON = """
greet saludar; help ayudar; hug:hugged abrazar; follow seguir; call llamar; visit visitar; invite invitar; watch observar; listen_to escuchar; congratulate felicitar; comfort consolar; wait_for esperar;
accompany acompañar; look_for buscar; protect proteger; forgive:forgave:forgiven perdonar; deceive engañar; wake:woke:woken despertar; interrupt interrumpir; push empujar; recognize reconocer; frighten asustar; look_after cuidar; admire admirar;
convince convencer; surprise sorprender; kiss besar; scold regañar; understand:understood comprender; remember recordar; miss extrañar; find:found encontrar; save salvar; applaud aplaudir; calm calmar; feed:fed alimentar;
leave:left dejar; question interrogar; bother molestar; warn advertir; defend defender; distract distraer; amuse divertir; cure curar; embrace estrechar; ignore ignorar; imitate imitar; obey obedecer;
persuade persuadir; pursue perseguir; rescue rescatar; reward recompensar; spy_on espiar; stop:stopped detener; welcome acoger; advise aconsejar; praise elogiar; blame culpar; envy envidiar; trust respetar
"""

TO_PLACE = """
walk caminar; run:ran:run correr; go:went:gone ir; travel:travelled viajar; ride:rode:ridden cabalgar; hurry apresurarse; climb subir; return volver; march marchar; swim:swam:swum nadar; sail navegar; drive:drove:driven conducir;
crawl gatear; fly:flew:flown volar; come_back:came_back:come_back regresar; row remar; stroll pasear; trot:trotted trotar; gallop galopar; slide:slid deslizarse; flee:fled huir; go_down:went_down:gone_down bajar; retreat retroceder; limp cojear;
pedal:pedalled pedalear; skate patinar; advance avanzar; escape escapar
"""

ALONE = """
smile sonreír; laugh reír; cry llorar; sing:sang:sung cantar; dance bailar; sleep:slept dormir; wake_up:woke_up:woken_up despertarse; eat:ate:eaten comer; drink:drank:drunk beber; rest descansar; work trabajar; play jugar;
think:thought pensar; wait esperar; listen escuchar; whisper susurrar; shout gritar; sigh suspirar; tremble temblar; hesitate dudar; dream soñar; read:read leer; write:wrote:written escribir; pray rezar;
whistle silbar; cough toser; sneeze estornudar; breathe respirar; celebrate celebrar; complain quejarse; apologize disculparse; blush sonrojarse; practise practicar; cook cocinar; fish pescar; learn aprender;
speak:spoke:spoken hablar; yawn bostezar; nod:nodded asentir; faint desmayarse; get_angry:got_angry enfadarse; get_up:got_up levantarse; sit_down:sat_down sentarse; lie_down:lay_down:lain_down acostarse; get_dressed:got_dressed vestirse; hide:hid:hidden esconderse; stumble tropezar; sweat sudar;
study estudiar; paint pintar; draw:drew:drawn dibujar; knit:knitted tejer; sew:sewed:sewn coser; obey obedecer; insist insistir; lie mentir; joke bromear; argue discutir; improvise improvisar; relax relajarse;
calm_down calmarse; get_bored:got_bored aburrirse; get_tired:got_tired cansarse; have_breakfast:had_breakfast desayunar; have_dinner:had_dinner cenar; have_lunch:had_lunch almorzar; recover recuperarse; shiver tiritar; train entrenar; rehearse ensayar; vote votar; meditate meditar;
sob:sobbed sollozar; groan gemir; snore roncar; hum:hummed tararear; stammer tartamudear; clap:clapped aplaudir; kneel:knelt arrodillarse; bow inclinarse; boast presumir; garden cavar; bathe bañarse; daydream divagar
"""

OF_ANIMAL = """
sleep:slept dormir; jump saltar; run:ran:run correr; play jugar; wait esperar; rest descansar; tremble temblar; eat:ate:eaten comer; drink:drank:drunk beber; breathe respirar; yawn bostezar; hide:hid:hidden esconderse;
stretch estirarse; approach acercarse; move_away alejarse; flee:fled huir; shiver tiritar; limp cojear; lie_down:lay_down:lain_down acostarse; get_up:got_up levantarse; sit_down:sat_down sentarse; scratch rascarse; listen escuchar; watch vigilar;
stop:stopped detenerse; turn_back retroceder; escape escaparse; doze dormitar; get_wet:got_wet mojarse; grow_restless:grew_restless:grown_restless inquietarse
"""

SAYING = """
say:said decir; answer responder; whisper susurrar; shout gritar; explain explicar; repeat repetir; reply contestar; announce anunciar; exclaim exclamar; murmur murmurar; admit:admitted admitir; promise prometer;
insist insistir; add añadir; declare declarar; confess confesar; remark comentar; warn advertir; reason razonar; protest protestar; joke bromear; sigh suspirar; recall recordar; conclude concluir;
affirm afirmar; swear:swore:sworn jurar; state señalar; stammer balbucear; complain lamentarse; boast presumir; sob:sobbed sollozar; laugh reír
"""

ASKING = """
ask preguntar; shout gritar; whisper susurrar; repeat repetir; murmur murmurar; exclaim exclamar; insist insistir; sigh suspirar; stammer balbucear; cry_out clamar
"""

#: Infinitive; then preterite, imperfect, gerund, participle, present and future of the third person, a dot where regular.
IRREGULAR = """
acostar . . . . acuesta; advertir advirtió . advirtiendo . advierte; almorzar . . . . almuerza; apretar . . . . aprieta; asentir asintió . asintiendo . asiente;
bendecir bendijo . bendiciendo . bendice; maldecir maldijo . maldiciendo . maldice; calentar . . . . calienta; colgar . . . . cuelga; comprobar . . . . comprueba; concluir concluyó . concluyendo . concluye;
conducir condujo; confesar . . . . confiesa; consolar . . . . consuela; contar . . . . cuenta; corregir corrigió . corrigiendo . corrige; creer creyó . creyendo creído;
cubrir . . . cubierto; decir dijo . diciendo dicho dice dirá; defender . . . . defiende; describir . . . descrito; descubrir . . . descubierto; desenterrar . . . . desentierra; desenvolver . . . desenvuelto desenvuelve;
despertar . . . . despierta; destruir destruyó . destruyendo . destruye; detener detuvo . . . detiene detendrá; devolver . . . devuelto devuelve; distraer distrajo . distrayendo distraído; divertir divirtió . divirtiendo . divierte;
dormir durmió . durmiendo . duerme; elegir eligió . eligiendo . elige; encontrar . . . . encuentra; enfriar . . . . enfría; engullir engulló . engullendo; entender . . . . entiende; enterrar . . . . entierra; enviar . . . . envía;
envolver . . . envuelto envuelve; escribir . . . escrito; espiar . . . . espía; fotografiar . . . . fotografía; freír frio freía friendo frito fríe freirá; gemir gimió . gimiendo . gime; hervir hirvió . hirviendo . hierve;
huir huyó . huyendo . huye; ir fue iba yendo ido va irá; jugar . . . . juega; leer leyó . leyendo leído; medir midió . midiendo . mide; mentir mintió . mintiendo . miente; morder . . . . muerde; mover . . . . mueve;
negar . . . . niega; oír oyó oía oyendo oído oye oirá; oler . . . . huele; pedir pidió . pidiendo . pide; pensar . . . . piensa; perder . . . . pierde; perseguir persiguió . persiguiendo . persigue; poseer poseyó . poseyendo poseído;
probar . . . . prueba; recordar . . . . recuerda; reconstruir reconstruyó . reconstruyendo . reconstruye; reír rio reía riendo reído ríe reirá; remendar . . . . remienda; repetir repitió . repitiendo . repite; romper . . . roto;
seguir siguió . siguiendo . sigue; sentar . . . . sienta; servir sirvió . sirviendo . sirve; soltar . . . . suelta; sonreír sonrió sonreía sonriendo sonreído sonríe sonreirá; soñar . . . . sueña; sostener sostuvo . . . sostiene sostendrá;
sugerir sugirió . sugiriendo . sugiere; temblar . . . . tiembla; traducir tradujo; traer trajo . trayendo traído; tropezar . . . . tropieza; ver vio veía . visto; vestir vistió . vistiendo . viste; volar . . . . vuela;
volver . . . vuelto vuelve; ahumar . . . . ahúma
"""
