"""Nouns: ``english spanish gender``, an irregular plural after a slash. People have a form for each gender."""

from __future__ import annotations

THINGS = """
key llave f; lamp lámpara f; book libro m; map mapa m; box/boxes caja f; coin moneda f; ring anillo m; mirror espejo m;
clock reloj m; letter carta f; candle vela f; rope cuerda f; bag bolsa f; basket cesta f; bottle botella f; cup taza f;
plate plato m; spoon cuchara f; knife/knives cuchillo m; fork tenedor m; pot olla f; pan sartén f; blanket manta f; pillow almohada f;
chair silla f; table mesa f; stool taburete m; bench/benches banco m; shelf/shelves estante m; drawer cajón m; trunk baúl m;
barrel barril m; bucket cubo m; broom escoba f; hammer martillo m; nail clavo m; saw sierra f; ladder escalera f; wheel rueda f;
cart carreta f; bicycle bicicleta f; boat barca f; oar remo m; net red f; hook gancho m; sail lona f;
flag bandera f; drum tambor m; flute flauta f; guitar guitarra f; violin violín m; bell campana f; whistle silbato m; trumpet trompeta f;
doll muñeca f; ball pelota f; kite cometa f; puppet marioneta f; puzzle rompecabezas m/rompecabezas; mask máscara f; toy juguete m;
pencil lápiz m; pen pluma f; notebook cuaderno m; newspaper periódico m; poster cartel m; stamp sello m; envelope sobre m; ticket boleto m;
picture cuadro m; photograph fotografía f; statue estatua f; vase florero m; carpet alfombra f; curtain cortina f; window ventana f;
door puerta f; lock candado m; chain cadena f; button botón m; needle aguja f; thread hilo m; ribbon cinta f;
hat sombrero m; coat abrigo m; shirt camisa f; skirt falda f; dress/dresses vestido m; shoe zapato m; boot bota f; glove guante m;
scarf/scarves bufanda f; belt cinturón m; apron delantal m; jacket chaqueta f; sock calcetín m; cap gorra f; cloak capa f; umbrella paraguas m/paraguas;
necklace collar m; bracelet pulsera f; earring pendiente m; brooch/brooches broche m; crown corona f; purse monedero m; wallet cartera f;
telescope telescopio m; compass/compasses brújula f; lantern farol m; torch/torches antorcha f; match/matches fósforo m; stove estufa f;
kettle tetera f; oven horno m; jar frasco m; tray bandeja f; sack saco m; crate cajón m; parcel paquete m; suitcase maleta f;
camera cámara f; radio radio f; telephone teléfono m; machine máquina f; engine motor m; spring resorte m; magnet imán m; lens/lenses lente f;
brush/brushes cepillo m; comb peine m; soap jabón m; towel toalla f; sponge esponja f; feather pluma f; shell concha f; stone piedra f;
brick ladrillo m; plank tabla f; log tronco m; stick palo m; cane bastón m; shield escudo m; sword espada f; arrow flecha f;
medal medalla f; trophy/trophies trofeo m; prize premio m; gift regalo m; treasure tesoro m; jewel joya f; pearl perla f; diamond diamante m;
globe globo m; calendar calendario m; diary/diaries diario m; recipe receta f; painting pintura f; sketch/sketches boceto m; stamp estampilla f
"""

FOODS = """
apple manzana f; pear pera f; orange naranja f; lemon limón m; grape uva f; plum ciruela f; cherry/cherries cereza f; peach/peaches melocotón m;
strawberry/strawberries fresa f; banana plátano m; melon melón m; fig higo m; nut nuez f/nueces; almond almendra f; chestnut castaña f; olive aceituna f;
carrot zanahoria f; onion cebolla f; potato/potatoes patata f; tomato/tomatoes tomate m; pepper pimiento m; cabbage repollo m; lettuce lechuga f; pumpkin calabaza f;
bean frijol m; pea guisante m; mushroom seta f; egg huevo m; cheese queso m; loaf/loaves pan m; cake pastel m; pie tarta f;
cookie galleta f; pancake tortita f; sandwich/sandwiches bocadillo m; soup sopa f; stew guiso m; sausage salchicha f; ham jamón m; fish/fish pescado m;
candy/candies caramelo m; chocolate chocolate m; jam mermelada f; salad ensalada f; omelette tortilla f; biscuit bizcocho m; pudding flan m; dumpling empanada f
"""

ANIMALS = """
dog perro m; cat gato m; horse caballo m; donkey burro m; cow vaca f; goat cabra f; sheep/sheep oveja f; pig cerdo m; rooster gallo m; hen gallina f;
duck pato m; goose/geese ganso m; rabbit conejo m; mouse/mice ratón m; squirrel ardilla f; fox/foxes zorro m; wolf/wolves lobo m; bear oso m;
deer/deer ciervo m; owl búho m; crow cuervo m; pigeon paloma f; parrot loro m; swallow golondrina f; sparrow gorrión m; swan cisne m;
frog rana f; turtle tortuga f; lizard lagarto m; snake serpiente f; bee abeja f; butterfly/butterflies mariposa f; ant hormiga f; spider araña f;
snail caracol m; hedgehog erizo m; otter nutria f; badger tejón m; mule mula f; pony/ponies poni m; lamb cordero m; puppy/puppies cachorro m;
kitten gatito m; seagull gaviota f; whale ballena f; dolphin delfín m; crab cangrejo m; camel camello m; monkey mono m; elephant elefante m;
lion león m; tiger tigre m; eagle halcón m; stork cigüeña f; beetle escarabajo m; cricket grillo m; firefly/fireflies luciérnaga f; bat murciélago m
"""

PLACES = """
house casa f; village pueblo m; town villa f; city/cities ciudad f; market mercado m; school escuela f; library/libraries biblioteca f; church/churches iglesia f;
hospital hospital m; station estación f; harbour puerto m; bridge puente m; tower torre f; castle castillo m; palace palacio m; temple templo m;
mill molino m; farm granja f; barn granero m; stable establo m; garden jardín m; orchard huerto m; vineyard viñedo m; field campo m;
meadow prado m; forest bosque m; jungle selva f; hill colina f; mountain montaña f; valley valle m; cave cueva f; cliff acantilado m;
river río m; stream arroyo m; lake lago m; pond estanque m; waterfall cascada f; beach/beaches playa f; island isla f; desert desierto m;
road camino m; street calle f; square plaza f; park parque m; fountain fuente f; well pozo m; gate portón m; wall muro m;
inn posada f; tavern taberna f; bakery/bakeries panadería f; workshop taller m; factory/factories fábrica f; warehouse almacén m; shop tienda f; office oficina f;
theatre teatro m; museum museo m; stadium estadio m; circus/circuses circo m; zoo zoológico m; hotel hotel m; restaurant restaurante m; kitchen cocina f;
cellar sótano m; attic desván m; balcony/balconies balcón m; courtyard patio m; tunnel túnel m; mine mina f; quarry/quarries cantera f; lighthouse faro m;
cemetery/cemeteries cementerio m; monastery/monasteries monasterio m; observatory/observatories observatorio m; greenhouse invernadero m; cabin cabaña f; tent carpa f; camp campamento m; swamp pantano m
"""

ABSTRACTS = """
secret secreto m; idea idea f; plan plan m; promise promesa f; dream sueño m; wish/wishes deseo m; question pregunta f; answer respuesta f;
problem problema m; riddle acertijo m; story/stories historia f; song canción f; poem poema m; joke chiste m; game juego m; dance baile m;
lesson lección f; rule regla f; mistake error m; surprise sorpresa f; adventure aventura f; journey viaje m; message mensaje m; rumour rumor m;
argument discusión f; bet apuesta f; favour favor m; reward recompensa f; trick truco m; custom costumbre f; memory/memories recuerdo m; name nombre m;
number número m; word palabra f; voice voz f/voces; noise ruido m; smell olor m; shadow sombra f; light luz f/luces; sound sonido m;
discovery/discoveries descubrimiento m; invention invento m; experiment experimento m; project proyecto m; task tarea f; contest concurso m; race carrera f; celebration celebración f
"""

PLANTS = """
tree árbol m; flower flor f; rose rosa f; tulip tulipán m; daisy/daisies margarita f; sunflower girasol m; lily/lilies lirio m; oak roble m;
pine pino m; willow sauce m; palm palmera f; bush/bushes arbusto m; leaf/leaves hoja f; branch/branches rama f; root raíz f/raíces; seed semilla f;
fern helecho m; vine parra f; cactus/cactuses cactus m/cactus; reed junco m; thistle cardo m; bamboo bambú m; clover trébol m; poppy/poppies amapola f
"""

PEOPLE = """
baker panadero panadera; teacher maestro maestra; doctor médico médica; nurse enfermero enfermera; farmer granjero granjera; cook cocinero cocinera;
carpenter carpintero carpintera; gardener jardinero jardinera; sailor marinero marinera; shepherd pastor pastora; hunter cazador cazadora; painter pintor pintora;
writer escritor escritora; singer cantante cantante; dancer bailarín bailarina; musician músico música; actor actor actriz; student estudiante estudiante;
merchant comerciante comerciante; tailor sastre sastra; shoemaker zapatero zapatera; watchmaker relojero relojera; librarian bibliotecario bibliotecaria; mechanic mecánico mecánica;
engineer ingeniero ingeniera; scientist científico científica; lawyer abogado abogada; judge juez jueza; soldier soldado soldado; captain capitán capitana;
pilot piloto piloto; driver conductor conductora; postman cartero cartera; waiter camarero camarera; butcher carnicero carnicera; weaver tejedor tejedora;
potter alfarero alfarera; miller molinero molinera; innkeeper posadero posadera; neighbour vecino vecina; cousin primo prima; stranger extraño extraña;
traveller viajero viajera; inventor inventor inventora; detective detective detective; clown payaso payasa; magician mago maga; poet poeta poetisa;
king rey reina; guard guardia guardia; servant criado criada; thief/thieves ladrón ladrona; mayor alcalde alcaldesa; photographer fotógrafo fotógrafa
"""
